"""What one row costs the consumer, and a month of rows a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.tables import Row
from stats.estimators import ESTIMATORS, ClientSummary, LatencySummary

SIZES = (10, 1_000, 100_000, 1_000_000)
AT_ONCE = 50_000  # values one update takes while a row is filled
TIMED = 50  # values and clients of one row in one transaction of the consumer
MONTH = 720  # hourly rows


def stored(summary: LatencySummary | ClientSummary, values: Sequence[Any]) -> bytes:
    """A row that holds these values."""
    for start in range(0, len(values), AT_ONCE):
        summary.update(values[start : start + AT_ONCE])
    return summary.to_bytes()


def hashes(numbers: np.ndarray) -> list[str]:
    return [f"{number:016x}" for number in numbers.tolist()]


def timings(sizes: Sequence[int]) -> Iterator[tuple[str, Row]]:
    """Of rows with so many values each."""
    random = np.random.default_rng(2)
    times, names = random.lognormal(3, 1, TIMED).tolist(), hashes(random.integers(0, 2**63, TIMED))
    for one in ESTIMATORS.values():
        for size in sizes:
            row = stored(one.latency(), random.lognormal(3, 1, size))
            seen = stored(one.clients(), hashes(random.integers(0, 2**63, size)))
            calls: dict[str, Callable[[], object]] = {
                "times us": partial(lambda one, row: stored(one.latency(row), times), one, row),
                "clients us": partial(lambda one, row: stored(one.clients(row), names), one, seen),
                "merge times ms": partial(one.merged_latency, [row] * MONTH),
                "merge clients ms": partial(one.merged_clients, [seen] * MONTH),
            }
            spent = {
                name: clock(call, 5) * 1e3 if "ms" in name else clock(call) * 1e6
                for name, call in calls.items()
            }
            yield "time", {"estimator": one.name, "values in the row": size, **spent}


def clock(call: Callable[[], object], times: int = 300) -> float:
    """Median seconds of a call."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        spent.append(time.perf_counter() - started)
    return float(np.median(spent))
