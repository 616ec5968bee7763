"""Response times as a uniform random sample of at most 1,000 of them.

Algorithm R: Vitter, "Random Sampling with a Reservoir", ACM TOMS 11 (1985). Merging by a hypergeometric
split: Brown and Haas, "Techniques for Warehousing of Sample Data", ICDE 2006 (HRMerge).
"""

from __future__ import annotations

import math

import numpy as np

from stats.estimators.figures import CONFIDENCE, nearest_rank
from stats.estimators.frame import LATENCY_RESERVOIR
from stats.estimators.latency import LatencySummary
from stats.estimators.packed import Values, as_float, read_values, write_values

_TOO_MANY = 10**9  # numpy draws from a hypergeometric distribution below this only
_random = np.random.default_rng()


def seed(number: int) -> None:
    """From here on this process chooses as this seed decides: for tests."""
    global _random
    _random = np.random.default_rng(number)


class ReservoirLatency(LatencySummary):
    """Quantiles of a sample: 4 kB, and at p99 an error of several per cent."""

    kind = LATENCY_RESERVOIR
    capacity = 1_000

    def samples(self) -> Values:
        return self._values

    def _take(self, values: Values) -> None:
        room = self.capacity - len(self._values)
        kept = np.concatenate((self._values, values[:room]))
        rest = values[room:]
        # The i-th value replaces a random one of i slots, if that is a kept one; where two hit the same
        # slot, numpy assigns the later, as one after the other would.
        positions = self.count + room + 1 + np.arange(len(rest))
        slots = np.minimum((_random.random(len(rest)) * positions).astype(np.int64), positions - 1)
        hits = slots < self.capacity
        kept[slots[hits]] = rest[hits]
        self._values = kept

    def _join(self, other: LatencySummary) -> None:
        theirs = other.samples()
        size = min(self.capacity, self.count + other.count)
        from_mine = min(self._split(self.count, other.count, size), len(self._values))
        from_theirs = min(size - from_mine, len(theirs))
        chosen = (self._chosen(self._values, from_mine), self._chosen(theirs, from_theirs))
        self._values = np.concatenate(chosen)

    def _split(self, mine: int, theirs: int, size: int) -> int:
        """How many of `size` values drawn from both come from here."""
        if mine + theirs < _TOO_MANY:
            return int(_random.hypergeometric(mine, theirs, size))
        return int(_random.binomial(size, mine / (mine + theirs)))  # no different at such counts

    def _chosen(self, values: Values, size: int) -> Values:
        return _random.choice(values, size, replace=False, shuffle=False)

    def _estimate(self, rank: float) -> tuple[float, float, float]:
        """By order statistics: how many of the sample lie below the quantile is binomial."""
        values = np.sort(self._values)
        size = len(values)
        width = CONFIDENCE * math.sqrt(size * rank * (1 - rank) * (1 - size / self.count))
        first = math.floor(size * rank - width) - 1
        last = math.ceil(size * rank + width)
        lower = as_float(values[first]) if first >= 0 else self._low
        upper = as_float(values[last]) if last < size else self._high
        return as_float(values[nearest_rank(rank, size)]), lower, upper

    def _payload(self) -> bytes:
        return write_values(self._values)

    def _load(self, payload: bytes) -> None:
        self._values = read_values(payload, min(self.count, self.capacity))
