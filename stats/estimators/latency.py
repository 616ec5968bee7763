"""What both summaries of response times share: the exact list that every one begins as."""

from __future__ import annotations

import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from stats.estimators.figures import Quantile, nearest_rank
from stats.estimators.frame import UNREADABLE, CorruptSummary, seal, unseal
from stats.estimators.packed import NO_VALUES, Values, as_float

_LARGEST = float(np.finfo(np.float32).max)
_HEAD = struct.Struct("<?Qddd")  # mixed, count, minimum, maximum, sampled
_ONE = struct.Struct("<?Qdddf")  # the same, and the list of one value


class LatencySummary(ABC):
    """Response times of one route and hour, or of any range by merging. All values are milliseconds.

    Values are kept as float32 (7 digits), minimum and maximum as they were given. Not for several
    threads at once.
    """

    kind: ClassVar[bytes]
    capacity: ClassVar[int]  # values up to which it is a list of them

    def __init__(self) -> None:
        self.count = 0
        self.is_mixed = False  # estimates of the other kind went into it
        self._low, self._high = math.inf, -math.inf
        self._sampled = 0.0  # sum of n^2/m over merged samples of m out of n: how far they blur the ranks
        self._values = NO_VALUES

    @property
    def minimum(self) -> float | None:
        """The smallest value, exactly; None if there is none."""
        return self._low if self.count else None

    @property
    def maximum(self) -> float | None:
        """The largest value, exactly; None if there is none."""
        return self._high if self.count else None

    @property
    def is_exact(self) -> bool:
        """Whether every value is still there."""
        return self.count == len(self._values) and not self.is_mixed

    def update(self, values: Sequence[float] | NDArray[np.floating]) -> None:
        """Adds values. Raises ValueError, and adds none, if one is negative, too large or no number."""
        given = np.asarray(values, dtype=np.float64)
        if not given.size:
            return
        low, high = float(given.min()), float(given.max())  # NaN, if there is one
        if not (low >= 0 and high <= _LARGEST):
            raise ValueError(f"response times from {low} to {high} ms: expected numbers from 0 on")
        self.add(given.astype(np.float32), low, high)

    def add(self, values: Values, low: float, high: float) -> None:
        """Adds values that were checked, none negative, and whose smallest and largest is known."""
        if self.is_exact and self.count + len(values) <= self.capacity:
            self._values = np.concatenate((self._values, values))
        else:
            self._take(values)
        self._widen(len(values), low, high)

    def merge(self, other: LatencySummary) -> None:
        """Adds all that `other` stands for; `other` stays as it is."""
        if other is self:  # the library merges no sketch into itself
            other = self.from_bytes(self.to_bytes())
        if other.is_exact:
            if other.count:
                self.add(other._values, other._low, other._high)
            return
        self.is_mixed = self.is_mixed or other.is_mixed or other.kind != self.kind
        self._join(other)
        self._widen(other.count, other._low, other._high)

    def quantiles(self, ranks: Sequence[float]) -> list[Quantile]:
        """One answer a rank, bounds at about 95 %. Raises ValueError for a rank outside 0 to 1."""
        for rank in ranks:
            if not 0 <= rank <= 1:
                raise ValueError(f"rank {rank} does not lie between 0 and 1")
        if not self.count:
            return [Quantile(rank, None, None, None) for rank in ranks]
        if self.is_exact:
            self._values.sort()
        return [self._quantile(rank) for rank in ranks]

    def value(self, rank: float) -> float:
        """The value at `rank` alone, without its bounds, in a fraction of the time; of at least one value."""
        if self._low == self._high:
            return self._low
        if not self.is_exact or rank in (0, 1):
            found = self.quantiles([rank])[0].value
            assert found is not None
            return found
        self._values.sort()
        value = as_float(self._values[nearest_rank(rank, self.count)])
        return min(max(value, self._low), self._high)

    def to_bytes(self) -> bytes:
        """The summary as it is stored; while exact, the same values give the same bytes."""
        head = _HEAD.pack(self.is_mixed, self.count, self._low, self._high, self._sampled)
        return seal(self.kind, head + self._payload())

    @classmethod
    def bytes_of_one(cls, value: float) -> bytes:
        """`to_bytes` of the summary of this one value, which was checked, in a tenth of the time."""
        return seal(cls.kind, _ONE.pack(False, 1, value, value, 0.0, value))

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Self:
        """The stored summary. Raises CorruptSummary, a ValueError, for what is none of this kind."""
        _, body = unseal(data, cls.kind)
        summary = cls()
        try:
            mixed, summary.count, summary._low, summary._high, summary._sampled = _HEAD.unpack_from(body)
            summary.is_mixed = bool(mixed)
            summary._load(body[_HEAD.size :])
        except UNREADABLE as error:
            raise CorruptSummary(f"{cls.kind!r} summary can't be read: {error}") from error
        return summary

    @abstractmethod
    def samples(self) -> Values:
        """Values that stand for all of them, each for as many as the others."""

    @abstractmethod
    def _take(self, values: Values) -> None:
        """Adds what no longer fits into the list; `count` still stands for what came before."""

    @abstractmethod
    def _join(self, other: LatencySummary) -> None:
        """Adds an inexact summary; `count` still stands for what came before."""

    @abstractmethod
    def _estimate(self, rank: float) -> tuple[float, float, float]:
        """Value, lower and upper bound of an inexact summary."""

    @abstractmethod
    def _payload(self) -> bytes: ...

    @abstractmethod
    def _load(self, payload: bytes) -> None: ...

    def _widen(self, count: int, low: float, high: float) -> None:
        self.count += count
        self._low, self._high = min(self._low, low), max(self._high, high)

    def _quantile(self, rank: float) -> Quantile:
        if rank in (0, 1):
            extreme = self._high if rank else self._low
            return Quantile(rank, extreme, extreme, extreme)
        if self.is_exact:
            value = lower = upper = as_float(self._values[nearest_rank(rank, self.count)])
        else:
            value, lower, upper = self._estimate(rank)
        return Quantile(rank, *(min(max(each, self._low), self._high) for each in (value, lower, upper)))
