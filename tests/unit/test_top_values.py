"""The values that came most often are counted exactly while they are few, and within bounds when not."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats.estimators import CorruptSummary
from stats.estimators.top_values import MAX_LENGTH, TopValuesSummary


def summary_of(counts: dict[str, int]) -> TopValuesSummary:
    summary = TopValuesSummary()
    summary.update(counts)
    return summary


@given(st.lists(st.dictionaries(st.text(max_size=30), st.integers(1, 10**6), max_size=40), max_size=6))
def test_few_values_are_counted_exactly_however_they_are_merged(parts):
    merged = TopValuesSummary()
    for part in parts:
        merged.merge(TopValuesSummary.from_bytes(summary_of(part).to_bytes()))

    expected = sum((Counter(part) for part in parts), Counter())
    found = merged.top(1000)
    assert {top.value: top.lower for top in found} == expected
    assert all(top.lower == top.upper for top in found)
    assert [top.lower for top in found] == sorted(expected.values(), reverse=True)
    assert merged.total == expected.total()


def test_of_many_values_the_frequent_ones_are_known_within_bounds():
    chance = random.Random(1)
    exact = Counter(f"{int(chance.paretovariate(1)):x}" for _ in range(100_000))
    merged = TopValuesSummary.for_reading()
    merged.merge(summary_of(exact))

    for top in merged.top(20):
        assert top.lower <= exact[top.value] <= top.upper
        assert top.upper - top.lower <= 0.007 * exact.total()
    assert merged.total == exact.total()


def test_of_many_rare_values_none_looks_frequent_and_together_they_are_no_more_than_all():
    chance = random.Random(1)
    merged = TopValuesSummary.for_reading()
    for _ in range(24):
        merged.merge(summary_of(Counter(f"{chance.randrange(20_000):x}" for _ in range(5_000))))

    found = merged.top(100_000)

    assert sum(top.lower for top in found) <= merged.total == 120_000
    assert found[0].lower < 50  # the most frequent one of all has 21 requests


def test_the_size_is_bounded_whatever_comes():
    summary = summary_of({f"{number:x}" * 300: 1 for number in range(20_000)})
    assert len(summary.to_bytes()) < 100_000
    assert all(len(top.value) <= MAX_LENGTH for top in summary.top(1000))


@pytest.mark.parametrize("data", [b"", b"TV", b"garbage" * 9])
def test_what_is_no_summary_is_refused(data):
    with pytest.raises(CorruptSummary):
        TopValuesSummary.from_bytes(data)


def test_damage_is_noticed():
    data = bytearray(summary_of({"GET": 3, "POST": 1}).to_bytes())
    data[-1] ^= 1
    with pytest.raises(CorruptSummary):
        TopValuesSummary.from_bytes(bytes(data))
