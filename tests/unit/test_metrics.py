"""Counters are summed over all processes of the host, living and dead."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

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


def test_the_registry_tells_every_counter_summed_over_the_processes():
    child = os.fork()
    if child == 0:
        metrics.adopted.inc(4)
        os._exit(0)
    os.waitpid(child, 0)
    metrics.adopted.inc(1)

    registry = metrics.registry()

    for counter in counters():
        name = next(iter(counter.describe())).name + "_total"
        assert registry.get_sample_value(name) == metrics.total(counter)
    assert metrics.total(metrics.adopted) >= 5


def test_the_registry_tells_every_counter_of_a_process_that_shares_nothing():
    """A project of one's own need not set PROMETHEUS_MULTIPROC_DIR."""
    code = """
from gateway import metrics
metrics.sent.inc(2)
registry = metrics.registry()
print(registry.get_sample_value("tallygate_sent_total"), registry.get_sample_value("tallygate_dropped_total"))
"""
    alone = {name: value for name, value in os.environ.items() if name != "PROMETHEUS_MULTIPROC_DIR"}
    settings = "from django.conf import settings; settings.configure()"
    done = subprocess.run(
        [sys.executable, "-c", settings + code],
        cwd=Path(__file__).parent.parent.parent,
        env=alone,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout.split() == ["2.0", "0.0"], done.stderr
