"""Bounds the routes of an hour as for events, but with all of an hour at hand: the busiest are kept.

The rest is added up as `(other)`, which makes an hour of any size a bounded number of rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import NamedTuple

from stats.importing_counts.counts import Count
from stats.route_cap import OTHER


class Sourced(NamedTuple):
    """A count, and the number of its source."""

    counted: Count
    source: int


class Hour(NamedTuple):
    """An hour's counts; how many others `(other)` stands for."""

    hour: int  # since the epoch
    rows: list[Sourced]
    folded: int


def hours(counts: Iterable[tuple[Count, int]], most: int) -> Iterator[Hour]:
    """Each hour with `most` routes and `(other)` at most. `counts` come by hour, busiest route first."""
    for hour, found in groupby(counts, key=lambda pair: pair[0].hour):
        yield _folded(hour, found, most)


def _folded(hour: int, counts: Iterable[tuple[Count, int]], most: int) -> Hour:
    kept: list[Sourced] = []
    folded, other = 0, None
    for count, source in counts:
        if count.route != OTHER and len(kept) < most:
            kept.append(Sourced(count, source))
            continue
        folded += count.route != OTHER
        requests, errors = (other.counted.requests, other.counted.errors) if other else (0, 0)
        sums = Count(hour, OTHER, requests + count.requests, errors + count.errors)
        other = Sourced(sums, other.source if other else source)
    return Hour(hour, [*kept, other] if other else kept, folded)
