"""What the estimators promise of many values: accuracy, bounds, size, and rows of both kinds together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stats.estimators import ESTIMATORS, Estimator, latency_reservoir

RANKS = [0.5, 0.95, 0.99]
SKETCH, RESERVOIR = ESTIMATORS["sketch"], ESTIMATORS["reservoir"]
both = pytest.mark.parametrize("one", [SKETCH, RESERVOIR], ids=ESTIMATORS)
both_ways = pytest.mark.parametrize(("one", "other"), [(SKETCH, RESERVOIR), (RESERVOIR, SKETCH)])


@pytest.fixture
def random():
    latency_reservoir.seed(5)
    return np.random.default_rng(5)


def timed(one: Estimator, values) -> bytes:
    """A stored row of these response times, filled as the consumer does it: some at a time."""
    row = one.latency().to_bytes()
    for part in np.array_split(values, 7):
        latency = one.latency(row)
        latency.update(part)
        row = latency.to_bytes()
    return row


def visited(one: Estimator, numbers) -> bytes:
    """A stored row of the clients with these numbers."""
    clients = one.clients()
    # An odd factor permutes the 64-bit numbers and spreads these over all of them, as hashes are.
    clients.update([f"{int(number) * 0x9E3779B97F4A7C15 % 2**64:016x}" for number in numbers])
    return clients.to_bytes()


@pytest.mark.parametrize(("one", "limit"), [(SKETCH, 0.02), (RESERVOIR, 0.2)], ids=ESTIMATORS)
def test_quantiles_of_24_merged_hours_are_as_near_as_promised_and_in_bounds(one, limit, random):
    errors, inside = [], []
    for _ in range(20):
        hours = [random.lognormal(3, 1, size) for size in random.integers(100, 20_000, 24)]
        merged = one.merged_latency(timed(one, hour) for hour in hours)
        exact = np.quantile(np.concatenate(hours), RANKS, method="inverted_cdf")
        assert merged.count == sum(map(len, hours))
        assert merged.maximum == max(hour.max() for hour in hours)
        for quantile, value in zip(merged.quantiles(RANKS), exact, strict=True):
            errors.append(abs(quantile.value / value - 1))
            inside.append(quantile.lower <= value <= quantile.upper)
    assert (np.mean(np.reshape(errors, (-1, len(RANKS))), axis=0) <= limit).all()
    assert np.mean(inside) >= 0.85  # 95 % are meant; 60 draws of them spread


@both
@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20), st.integers(0, 2**32))
def test_ranks_are_right_for_any_values_and_many_ties(one, chosen, seed):
    latency_reservoir.seed(seed)
    values = np.random.default_rng(seed).permutation(np.repeat(np.array(chosen) / 1_000, 200))
    merged = one.merged_latency([timed(one, values), timed(one, values[:900])])
    values = np.concatenate((values, values[:900]))
    for quantile in merged.quantiles([0.01, *RANKS]):
        assert quantile.lower <= quantile.value <= quantile.upper
        assert np.mean(values <= quantile.value * 1.001 + 0.001) >= quantile.rank - 0.1
        assert np.mean(values < quantile.value * 0.999 - 0.001) <= quantile.rank + 0.1


def test_a_million_clients_of_24_hours_are_estimated_within_2_per_cent():
    day = SKETCH.merged_clients(
        visited(SKETCH, range(hour * 41_000, hour * 41_000 + 57_000)) for hour in range(24)
    )
    distinct = day.estimate()
    assert not distinct.is_exact
    assert not distinct.is_lower_bound
    assert abs(distinct.estimate / 1_000_000 - 1) <= 0.02
    assert distinct.lower <= 1_000_000 <= distinct.upper


def test_the_reservoir_says_of_many_clients_only_that_there_are_at_least_so_many():
    rows = [visited(RESERVOIR, range(start, start + 900)) for start in (0, 500, 3_000)]
    assert RESERVOIR.merged_clients(rows[:1]).estimate().estimate == 900
    many = RESERVOIR.merged_clients(rows)
    distinct = many.estimate()
    assert (distinct.estimate, distinct.lower, distinct.upper) == (1_000, 1_000, None)
    assert distinct.is_lower_bound
    assert many.to_bytes() == RESERVOIR.merged_clients(reversed(rows)).to_bytes()


@pytest.mark.parametrize(("one", "limit"), [(SKETCH, 6_000), (RESERVOIR, 12_100)], ids=ESTIMATORS)
def test_a_busy_row_stays_small(one, limit, random):
    latency = timed(one, random.lognormal(3, 1, 1_000_000))
    assert len(latency) + len(visited(one, range(100_000))) <= limit


def test_every_value_has_the_same_chance_to_be_in_the_reservoir(random):
    parts = [np.arange(500), np.arange(500, 2_500), np.arange(2_500, 40_000), np.arange(40_000, 50_000)]
    shares = []
    for _ in range(100):
        kept = RESERVOIR.merged_latency(timed(RESERVOIR, part) for part in parts).samples()
        assert len(np.unique(kept)) == len(kept) == 1_000
        shares.append(np.histogram(kept, bins=10, range=(0, 50_000))[0])
    # 100 reservoirs hold 10,000 of each tenth; the standard deviation of that is below 300.
    assert (abs(np.sum(shares, axis=0) - 10_000) < 1_200).all()


def test_a_seeded_reservoir_chooses_the_same_again(random):
    values = random.lognormal(3, 1, 5_000)
    rows = []
    for number in (1, 1, 2):
        latency_reservoir.seed(number)
        rows.append(timed(RESERVOIR, values))
    assert rows[0] == rows[1] != rows[2]


@both
def test_a_summary_merged_with_itself_counts_everything_twice_beyond_billions_too(one, random):
    latency = one.latency(timed(one, random.lognormal(3, 1, 3_000)))
    median = latency.quantiles([0.5])[0].value
    for _ in range(20):
        latency.merge(latency)
    assert latency.count == 3_000 * 2**20
    assert latency.quantiles([0.5])[0].value == pytest.approx(median, rel=0.5)


@both_ways
def test_small_rows_of_the_other_kind_lose_nothing(one, other):
    latency = one.merged_latency([timed(other, [1.0, 2.0]), timed(one, [3.0])])
    assert latency.is_exact
    assert [quantile.value for quantile in latency.quantiles(RANKS)] == [2.0, 3.0, 3.0]
    clients = one.merged_clients([visited(other, range(5)), visited(one, range(3, 9))])
    assert clients.estimate().estimate == 9
    assert clients.estimate().is_exact


@both_ways
def test_large_rows_of_the_other_kind_are_merged_and_marked(one, other, random):
    hours = [random.lognormal(3, 1, size) for size in (600, 5_003, 20_000)]
    rows = [timed(one, hours[0]), timed(other, hours[1]), timed(other, hours[2])]
    merged = one.latency(one.merged_latency(rows).to_bytes())
    assert merged.is_mixed
    assert not merged.is_exact
    assert merged.count == 25_603
    for quantile, exact in zip(
        merged.quantiles(RANKS), np.quantile(np.concatenate(hours), RANKS), strict=True
    ):
        assert quantile.lower < quantile.value < quantile.upper
        assert quantile.value == pytest.approx(exact, rel=0.35)


@both_ways
def test_clients_of_both_kinds_give_a_lower_bound_that_says_so(one, other):
    rows = [visited(one, range(30_000)), visited(other, range(20_000, 60_000))]
    distinct = one.clients(one.merged_clients(rows).to_bytes()).estimate()
    assert distinct.is_lower_bound
    assert distinct.upper is None
    assert 1_000 <= distinct.estimate == distinct.lower <= 60_000
    assert distinct.estimate > 25_000  # what the sketch among them stands for is kept


@both_ways
def test_a_row_goes_on_in_the_kind_it_began_with(one, other):
    latency = one.latency(timed(other, [1.0]))
    latency.update([2.0])
    assert latency.kind == other.new_latency.kind
    assert latency.quantiles([1])[0].value == 2.0
