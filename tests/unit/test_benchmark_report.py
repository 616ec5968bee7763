"""What a benchmark says of its targets is what its rounds allow to say."""

from __future__ import annotations

import random

import pytest

from benchmarks.report import Target, median_interval, table


@pytest.mark.parametrize("count", [6, 15, 60])
def test_the_interval_holds_the_true_median_nineteen_times_of_twenty(count):
    """Of heavy-tailed ratios around 0.9, as a shared machine gives them."""
    dice = random.Random(1)
    tries = 2_000
    hits = 0
    for _ in range(tries):
        least, most = median_interval([0.9 * dice.lognormvariate(0, 0.2) for _ in range(count)])
        hits += least <= 0.9 <= most
    assert 0.95 <= hits / tries <= 0.99


def test_more_rounds_make_it_narrower():
    dice = random.Random(1)
    values = [dice.gauss(0.9, 0.1) for _ in range(400)]
    few, many = median_interval(values[:25]), median_interval(values)
    assert many[1] - many[0] < (few[1] - few[0]) / 2


@pytest.mark.parametrize("values", [[1.0], [2.0, 1.0], [3.0, 1.0, 2.0]])
def test_of_few_it_is_all(values):
    assert median_interval(values) == (min(values), max(values))


@pytest.mark.parametrize(
    ("value", "interval", "said"),
    [
        (0.93, (0.91, 0.95), "holds |"),
        (0.91, (0.89, 0.93), "holds, not for certain |"),
        (0.88, (0.86, 0.91), "**does not hold**, not for certain |"),
        (0.85, (0.83, 0.87), "**does not hold** |"),
        (0.93, None, "holds |"),
    ],
)
def test_a_bound_within_the_interval_is_kept_or_missed_but_not_for_certain(value, interval, said):
    line = table([Target("rate", value, at_least=0.9, interval=interval)])[-1]
    assert line.endswith(said)
    assert interval is None or f"({interval[0]} to {interval[1]})" in line
