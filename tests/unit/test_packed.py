"""What is packed comes back as it was, and what is none is refused."""

from __future__ import annotations

import contextlib
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats.estimators import CorruptSummary, estimator
from stats.estimators.frame import LATENCY_SKETCH, seal, unseal
from stats.estimators.latency import _HEAD
from stats.estimators.latency_sketch import SketchLatency
from stats.estimators.packed import read_words, united, write_words

words = st.lists(st.one_of(st.integers(0, 65_535), st.integers(0, 2**32 - 1)), max_size=200)
hashes = st.lists(st.integers(0, 2**64 - 1), max_size=50)


@given(words, st.binary(max_size=3))
def test_words_come_back_as_they_were(values, rest):
    data = struct.pack(f"<{len(values)}I", *values) + rest
    assert read_words(write_words(data)) == data


def test_small_words_take_half_the_bytes():
    data = struct.pack("<1000I", *range(1000))
    assert len(write_words(data)) == len(data) // 2 + 8


@given(st.binary(max_size=100))
def test_other_bytes_are_refused_or_read_without_harm(payload):
    with contextlib.suppress(ValueError, struct.error):
        read_words(payload)


@given(hashes, hashes)
def test_united_hashes_are_sorted_and_each_once(first, others):
    known = np.array(sorted(set(first)), dtype=np.uint64)
    assert united(known, np.array(others, dtype=np.uint64)).tolist() == sorted({*first, *others})


def test_a_sketch_that_an_earlier_version_deflated_is_still_read():
    latency = estimator("sketch").latency()
    latency.update(np.arange(3_000.0))
    _, body = unseal(latency.to_bytes(), LATENCY_SKETCH)
    packed = body[_HEAD.size :]
    assert packed[:1] == b"\x01"
    deflated = seal(LATENCY_SKETCH, body[: _HEAD.size] + zlib.compress(read_words(packed[1:]), 1))

    again = estimator("sketch").latency(deflated)

    assert again.quantiles([0.1, 0.5, 0.99]) == latency.quantiles([0.1, 0.5, 0.99])
    assert again.to_bytes() == latency.to_bytes()


def test_a_packed_sketch_of_impossible_places_is_refused():
    head = _HEAD.pack(False, 3_000, 0.0, 1.0, 0.0)
    payload = b"\x01" + struct.pack("<II", 1, 1) + struct.pack("<H", 1) + struct.pack("<I", 7) + b"\x01\x00"
    with pytest.raises(CorruptSummary, match="place 7 of 1"):
        estimator("sketch").latency(seal(LATENCY_SKETCH, head + payload))


def test_a_single_first_hash_is_not_a_view_of_the_many_it_came_with():
    many = np.arange(10, dtype=np.uint64)
    one = united(np.empty(0, dtype=np.uint64), many[3:4])
    assert one.tolist() == [3]
    assert one.base is None


@pytest.mark.parametrize("times", [[12.345], [12.345, 12.345], [0.0], [3e7 + 1]])
def test_of_equal_times_each_rank_is_that_time_as_it_was_given(times):
    summary = SketchLatency()
    summary.update(times)
    stored = SketchLatency.from_bytes(summary.to_bytes())
    for each in (summary, stored):
        assert each.value(0.95) == each.quantiles([0.95])[0].value == times[0]
