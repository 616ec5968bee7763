"""Response times in an Apache DataSketches REQ sketch, once the list of them has grown long.

REQ: Cormode, Karnin, Liberty, Thaler, Veselý, "Relative Error Streaming Quantiles", PODS 2021. Its error
shrinks towards the high ranks, where p95 and p99 lie: docs/estimators.md has the figures.
"""

from __future__ import annotations

import math
import zlib

import datasketches
import numpy as np

from stats.estimators import codes
from stats.estimators.figures import CONFIDENCE
from stats.estimators.frame import LATENCY_SKETCH
from stats.estimators.latency import LatencySummary
from stats.estimators.packed import Values, read_values, read_words, write_values, write_words

K = 12  # accuracy and size of a sketch
DEFLATED_FROM = 5_000  # bytes of a sketch; it has as many from about 50,000 values on
_PACKED = b"\x01"  # begins a payload of halved words; a deflated one begins with 0x78
SAMPLES = 1_000  # quantiles that stand for a sketch in a reservoir


class SketchLatency(LatencySummary):
    """Quantiles of any number of values from 2 to 4 kB."""

    kind = LATENCY_SKETCH
    capacity = 512

    def __init__(self) -> None:
        super().__init__()
        self._sketch: datasketches.req_ints_sketch | None = None

    def samples(self) -> Values:
        if self._sketch is None:
            return self._values
        ranks = (np.arange(SAMPLES) + 0.5) / SAMPLES
        middles = [codes.middle(code) for code in self._sketch.get_quantiles(ranks.tolist(), True)]
        return np.clip(middles, self._low, self._high).astype(np.float32)

    def value(self, rank: float) -> float:
        if self._sketch is None or rank in (0, 1):
            return super().value(rank)
        middle = codes.middle(self._sketch.get_quantiles([rank], True)[0])
        return min(max(middle, self._low), self._high)

    def _take(self, values: Values) -> None:
        self._opened().update(codes.encode(values))

    def _join(self, other: LatencySummary) -> None:
        sketch = self._opened()
        if isinstance(other, SketchLatency):
            assert other._sketch is not None
            sketch.merge(other._sketch)
            self._sampled += other._sampled
        else:
            samples = other.samples()
            _repeat_into(sketch, samples, other.count)
            self._sampled += other.count**2 / len(samples)

    def _opened(self) -> datasketches.req_ints_sketch:
        """The sketch, which takes over the list if it does not exist yet."""
        if self._sketch is None:
            self._sketch = _new_sketch(self._values)
            self._values = self._values[:0]
        return self._sketch

    def _estimate(self, rank: float) -> tuple[float, float, float]:
        sketch = self._sketch
        assert sketch is not None
        blur = CONFIDENCE * math.sqrt(rank * (1 - rank) * self._sampled) / self.count
        below = rank - sketch.get_rank_lower_bound(rank, CONFIDENCE)
        above = sketch.get_rank_upper_bound(rank, CONFIDENCE) - rank
        lowest, highest = max(0.0, rank - math.hypot(below, blur)), min(1.0, rank + math.hypot(above, blur))
        first, code, last = sketch.get_quantiles([lowest, rank, highest], True)
        return codes.middle(code), codes.lower_edge(first), codes.lower_edge(last + 1)

    def _payload(self) -> bytes:
        if self._sketch is None:
            return write_values(self._values)
        data = self._sketch.serialize()
        # Deflating takes ten times as long: only for the few rows that are so large.
        return zlib.compress(data, 1) if len(data) > DEFLATED_FROM else _PACKED + write_words(data)

    def _load(self, payload: bytes) -> None:
        if self.count <= self.capacity:
            self._values = read_values(payload, self.count)
            return
        self._sketch = datasketches.req_ints_sketch.deserialize(_unpacked(payload))
        if self._sketch.n != self.count:
            raise ValueError(f"a sketch of {self._sketch.n} values where {self.count} were counted")


def _new_sketch(values: Values) -> datasketches.req_ints_sketch:
    sketch = datasketches.req_ints_sketch(K, True)
    sketch.update(codes.encode(values))
    return sketch


def _unpacked(payload: bytes) -> bytes:
    if payload[:1] == _PACKED:
        return read_words(payload[1:])
    try:
        return zlib.decompress(payload)
    except zlib.error as error:
        raise ValueError(str(error)) from None


def _repeat_into(sketch: datasketches.req_ints_sketch, samples: Values, count: int) -> None:
    """Makes `samples` stand for `count` values: as often as that by doubling, and some once more."""
    times, rest = divmod(count, len(samples))
    power = _new_sketch(samples)
    while times:
        if times & 1:
            sketch.merge(power)
        power.merge(datasketches.req_ints_sketch.deserialize(power.serialize()))
        times >>= 1
    spread = np.arange(rest) * len(samples) // max(rest, 1)
    sketch.update(codes.encode(np.sort(samples)[spread]))
