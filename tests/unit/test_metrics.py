"""Counters are summed over all processes of the host, living and dead."""

from __future__ import annotations

import os

import pytest
from prometheus_client import Counter

from gateway import metrics


def counters() -> list[Counter]:
    return [value for value in vars(metrics).values() if isinstance(value, Counter)]


@pytest.mark.parametrize("counter", counters(), ids=lambda counter: next(iter(counter.describe())).name)
def test_a_counter_counts(counter):
    before = metrics.total(counter)
    counter.inc(3)
    assert metrics.total(counter) == before + 3


def test_every_counter_has_a_name_and_a_meaning_of_its_own():
    described = [next(iter(counter.describe())) for counter in counters()]
    assert all(metric.name.startswith("tallygate_") for metric in described)
    assert (
        len({metric.name for metric in described})
        == len({m.documentation for m in described})
        == len(described)
    )


def test_what_a_process_counted_outlives_it():
    before = metrics.total(metrics.dropped)
    child = os.fork()
    if child == 0:
        metrics.dropped.inc(5)
        os._exit(0)
    os.waitpid(child, 0)

    assert metrics.total(metrics.dropped) == before + 5
