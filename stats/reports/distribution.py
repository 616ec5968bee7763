"""How response times are distributed, in bins that grow as times do."""

from __future__ import annotations

import math

import numpy as np

from stats.estimators import LatencySummary
from stats.reports.shapes import Bin

STEPS = (1.0, 2.0, 5.0)  # of each power of ten
LEAST = 0.1  # ms; what is shorter is in one bin


def distribution(latency: LatencySummary) -> tuple[Bin, ...]:
    """Bins without gaps from the shortest time to the longest; none of no requests."""
    if latency.minimum is None or latency.maximum is None:
        return ()
    edges = edges_of(latency.minimum, latency.maximum)
    # They are rounded to seven digits, which must put none of them outside.
    samples = np.clip(np.asarray(latency.samples(), dtype=np.float64), edges[0], edges[-1])
    counts, _ = np.histogram(samples, edges)
    return tuple(
        Bin(low, high, float(count) / len(samples))
        for low, high, count in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
    )


def edges_of(shortest: float, longest: float) -> list[float]:
    """1, 2, 5, 10, 20, … from the last one not above the shortest to the first one above the longest."""
    power = math.floor(math.log10(max(shortest, LEAST)))
    steps = [round(step * 10.0**exponent, 9) for exponent in range(power, power + 12) for step in STEPS]
    first = max((step for step in steps if step <= max(shortest, LEAST)), default=steps[0])
    inner = [step for step in steps if step >= first]
    end = next(number for number, step in enumerate(inner) if step > longest and number)
    found = inner[: end + 1]
    return [0.0, *found[1:]] if shortest < LEAST else found
