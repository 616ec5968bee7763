"""The values that came most often: a frequent-items sketch of bounded size.

Misra and Gries' algorithm with weights, as in Anderson et al., "A High-Performance Algorithm for
Identifying Frequent Items in Data Streams" (2017), by Apache DataSketches. Exact up to 384 different
values; beyond that a count is known within bounds, at most 0.7 % of all requests apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from datasketches import frequent_items_error_type, frequent_strings_sketch

from stats.estimators.frame import CorruptSummary, seal, unseal

KIND = b"TV"
LG_KEPT = 9  # map of 512 places, 384 of them used: about 10 kB of client hashes
LG_READ = 12  # merging many of them keeps more
MAX_LENGTH = 200  # characters of a value; a longer one is cut, so that the size has a bound


@dataclass(frozen=True, slots=True)
class TopValue:
    """One value and how many requests had it: at least `lower`, at most `upper`."""

    value: str
    lower: int
    upper: int


class TopValuesSummary:
    """Counts of values. `lg_size` is the binary logarithm of the places it has."""

    def __init__(self, lg_size: int = LG_KEPT) -> None:
        self._sketch = frequent_strings_sketch(lg_size)

    @classmethod
    def for_reading(cls) -> TopValuesSummary:
        """One that many are to be merged into."""
        return cls(LG_READ)

    @classmethod
    def from_bytes(cls, data: bytes) -> TopValuesSummary:
        """The stored summary. Raises CorruptSummary, a ValueError, for what is none."""
        _, body = unseal(data, KIND)
        summary = cls()
        try:
            summary._sketch = frequent_strings_sketch.deserialize(bytes(body))
        except (RuntimeError, ValueError, IndexError, MemoryError) as error:
            raise CorruptSummary(f"{KIND!r} summary can't be read: {error}") from error
        return summary

    @property
    def total(self) -> int:
        """Requests of all values."""
        return int(self._sketch.total_weight)

    def update(self, counts: Mapping[str, int] | Mapping[int, int]) -> None:
        """Adds how often each value came; numbers count as their text."""
        update = self._sketch.update
        for value, count in counts.items():
            update(str(value)[:MAX_LENGTH], count)

    def merge(self, other: TopValuesSummary) -> None:
        self._sketch.merge(other._sketch)

    def to_bytes(self) -> bytes:
        return seal(KIND, bytes(self._sketch.serialize()))

    def top(self, limit: int) -> list[TopValue]:
        """The values with the most requests for certain, most first; ties in the order of their text.

        By the lower bounds, which together never exceed the total. What the library calls its estimate is the
        upper bound, the same error for each value: of many rare ones it would make frequent ones.
        """
        items = self._sketch.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES, 0)
        values = [TopValue(value, lower, upper) for value, _, lower, upper in items]
        return sorted(values, key=lambda item: (-item.lower, item.value))[:limit]
