"""Response times fall into bins that hold all of them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats.estimators import ESTIMATORS
from stats.reports.distribution import distribution, edges_of

both = pytest.mark.parametrize("one", ESTIMATORS.values(), ids=ESTIMATORS)
times = st.integers(0, 10**9).map(lambda microseconds: microseconds / 1_000)


@both
def test_each_request_is_in_its_bin(one):
    latency = one.latency()
    latency.update([3, 4, 12, 15, 19, 45, 45, 45])
    found = distribution(latency)
    assert [(each.low, each.high, each.share) for each in found] == [
        (2, 5, 2 / 8),
        (5, 10, 0),
        (10, 20, 3 / 8),
        (20, 50, 3 / 8),
    ]


@both
@given(st.lists(times, min_size=1, max_size=300))
def test_bins_are_without_gaps_and_hold_everything(one, values):
    latency = one.latency()
    latency.update(values)
    found = distribution(latency)
    assert found[0].low <= min(values)
    assert found[-1].high > max(values)
    assert all(before.high == after.low for before, after in pairwise(found))
    assert sum(each.share for each in found) == pytest.approx(1)


@both
def test_of_no_requests_there_are_no_bins(one):
    assert distribution(one.latency()) == ()


def test_a_sketch_is_about_as_its_values():
    latency = ESTIMATORS["sketch"].latency()
    latency.update([5.0] * 30_000 + [50.0] * 10_000)
    shares = {each.low: each.share for each in distribution(latency)}
    assert shares[5] == pytest.approx(0.75, abs=0.02)
    assert shares[50] == pytest.approx(0.25, abs=0.02)


def test_edges_go_by_one_two_five():
    assert edges_of(3, 45) == [2, 5, 10, 20, 50]
    assert edges_of(0, 0.3) == [0, 0.2, 0.5]
    assert edges_of(10, 10) == [10, 20]
