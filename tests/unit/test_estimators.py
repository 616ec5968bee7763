"""What every implementation of the estimators promises, on the few values of most rows."""

from __future__ import annotations

import itertools
import math
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats.estimators import ESTIMATORS, CorruptSummary, Distinct, Estimator, Quantile, estimator
from stats.estimators.figures import nearest_rank

RANKS = [0, 0.07, 0.5, 0.9, 0.95, 0.99, 1]
NO_CLIENTS = Distinct(0, 0, 0, is_exact=True, is_lower_bound=False)

# Three decimals and six digits come back from float32 as they went in.
times = st.integers(0, 999_999).map(lambda microseconds: microseconds / 1_000)
hashes = st.integers(0, 2**64 - 1).map("{:016x}".format)
both = pytest.mark.parametrize("one", ESTIMATORS.values(), ids=ESTIMATORS)
each_kind = pytest.mark.parametrize("what", ["latency", "clients"])


def filled(one: Estimator, what: str):
    """A summary with something in it."""
    summary = getattr(one, what)()
    summary.update([1.0, 2.0, 3.0] if what == "latency" else ["00000000000000ff", "f" * 16])
    return summary


@both
def test_an_empty_summary_says_that_it_is_empty(one):
    for latency in (one.latency(), one.latency(one.latency().to_bytes()), one.merged_latency([])):
        assert (latency.count, latency.minimum, latency.maximum) == (0, None, None)
        assert latency.is_exact
        assert latency.quantiles([0, 0.5]) == [Quantile(0, None, None, None), Quantile(0.5, None, None, None)]
    for clients in (one.clients(), one.clients(one.clients().to_bytes()), one.merged_clients([])):
        assert clients.is_empty
        assert clients.estimate() == NO_CLIENTS


@both
@given(st.lists(times, min_size=1, max_size=300), st.lists(st.integers(0, 300), max_size=3), st.randoms())
def test_few_values_give_the_nearest_rank_however_they_came_together(one, values, cuts, random):
    exact = [sorted(values)[nearest_rank(rank, len(values))] for rank in RANKS]
    bounds = [0, *sorted(cuts), len(values)]
    mixed = random.sample(values, len(values))
    rows = []
    for start, end in itertools.pairwise(bounds):
        row = one.latency()
        row.update(np.array(mixed[start:end]))
        rows.append(row.to_bytes())
    merged = one.merged_latency(rows)
    assert merged.quantiles(RANKS) == [Quantile(r, v, v, v) for r, v in zip(RANKS, exact, strict=True)]
    assert (merged.count, merged.minimum, merged.maximum) == (len(values), min(values), max(values))
    assert merged.is_exact
    at_once = one.latency()
    at_once.update(values)
    assert merged.to_bytes() == at_once.to_bytes() == one.latency(at_once.to_bytes()).to_bytes()


@both
@given(times, hashes)
def test_one_value_is_written_at_once_as_a_summary_would_write_it(one, value, client):
    latency, clients = one.latency(), one.clients()
    latency.update([value])
    clients.update([client])

    assert one.new_latency.bytes_of_one(value) == latency.to_bytes()
    assert one.new_clients.bytes_of_one(int(client, 16)) == clients.to_bytes()


def test_the_nearest_rank_is_the_smallest_value_that_enough_values_do_not_exceed():
    assert [nearest_rank(rank, 100) for rank in (0, 0.001, 0.07, 0.5, 0.501, 0.99, 1)] == [
        0,
        0,
        6,
        49,
        50,
        98,
        99,
    ]
    for count in (1, 2, 7, 1000):
        data = np.arange(count)
        for rank in RANKS:
            assert nearest_rank(rank, count) == np.quantile(data, rank, method="inverted_cdf")


@both
@given(st.lists(hashes, max_size=250), st.integers(0, 250))
def test_few_clients_are_counted_exactly_and_never_added_up(one, seen, cut):
    rows = []
    for part in (seen[:cut], seen[cut:], seen):
        row = one.clients()
        row.update(part)
        rows.append(row.to_bytes())
    count = len(set(seen))
    merged = one.merged_clients(rows)
    assert merged.estimate() == Distinct(count, count, count, is_exact=True, is_lower_bound=False)
    assert merged.to_bytes() == rows[2] == one.merged_clients(reversed(rows)).to_bytes()


@both
def test_what_is_no_response_time_is_refused_and_nothing_of_it_added(one):
    for wrong in (-0.001, math.nan, math.inf, 1e39):
        latency = one.latency()
        with pytest.raises(ValueError, match="response times"):
            latency.update([1.0, wrong, 2.0])
        assert latency.count == 0
    for rank in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match="rank"):
            one.latency().quantiles([rank])


@both
@pytest.mark.parametrize("wrong", ["", "abc", "g" * 16, "0" * 17, "0000 000000 0000", "192.0.2.1"])
def test_what_is_no_client_hash_is_refused_and_nothing_of_it_added(one, wrong):
    clients = one.clients()
    with pytest.raises(ValueError):
        clients.update(["f" * 16, wrong])
    assert clients.is_empty


@both
def test_a_row_of_ten_requests_is_small(one):
    latency, clients = one.latency(), one.clients()
    latency.update([12.345] * 10)
    clients.update([f"{number:016x}" for number in range(10)])
    assert len(latency.to_bytes()) + len(clients.to_bytes()) < 300


@both
@each_kind
def test_damage_anywhere_is_noticed(one, what):
    data = filled(one, what).to_bytes()
    for position in range(len(data)):
        with pytest.raises(CorruptSummary):
            getattr(one, what)(data[:position])
        damaged = bytearray(data)
        damaged[position] ^= 1
        with pytest.raises(ValueError):
            getattr(one, what)(bytes(damaged))
    with pytest.raises(CorruptSummary, match="checksum"):
        getattr(one, what)(data + b"\0")


@both
@each_kind
def test_a_body_that_is_wrong_under_a_right_checksum_is_refused(one, what):
    data = filled(one, what).to_bytes()
    for body in (b"", data[7:-1], data[7:] + b"\0", data[7:8] + b"\xff" * 7 + data[15:] * 900, b"\0" * 50):
        head = data[:3]
        with pytest.raises(CorruptSummary):
            getattr(one, what)(head + struct.pack("<I", zlib.crc32(body, zlib.crc32(head))) + body)


@both
@each_kind
def test_another_kind_or_a_later_version_is_named(one, what):
    data = filled(one, what).to_bytes()
    with pytest.raises(CorruptSummary, match="kind"):
        getattr(one, {"latency": "clients", "clients": "latency"}[what])(data)
    with pytest.raises(CorruptSummary, match="version 9"):
        getattr(one, what)(data[:2] + b"\x09" + data[3:])
    assert getattr(one, what)(memoryview(data)).to_bytes() == data


def test_the_setting_chooses_and_a_wrong_one_is_named(settings):
    del settings.STATS_ESTIMATOR
    assert estimator().name == "sketch"
    settings.STATS_ESTIMATOR = "reservoir"
    assert estimator() is ESTIMATORS["reservoir"]
    assert estimator("sketch").name == "sketch"
    settings.STATS_ESTIMATOR = "guess"
    with pytest.raises(ValueError, match="STATS_ESTIMATOR: 'guess' is none of sketch, reservoir"):
        estimator()
