"""What differs between the answers of both paths, of which the collector knows requests and errors only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stats.reports.shapes import Overview, RouteReport, Routes, TimeSeries
from stats.route_cap import OTHER

NONE = (0, 0)


@dataclass(frozen=True)
class Said:
    """What an answer says: requests and errors by name."""

    counts: Mapping[str, tuple[int, int]]
    is_all: bool = True  # or a page of it

    @property
    def requests(self) -> int:
        return sum(requests for requests, _ in self.counts.values())

    def of(self, name: str) -> tuple[int, int]:
        return self.counts.get(name, NONE)


def said(answer: Overview | RouteReport | Routes | TimeSeries) -> Said:
    """What both paths can say."""
    if isinstance(answer, Overview):
        return Said({"all requests": (answer.current.requests, answer.current.errors)})
    if isinstance(answer, RouteReport):
        return Said({answer.route: (answer.current.requests, answer.current.errors)})
    if isinstance(answer, Routes):
        is_all = answer.offset == 0 and answer.next_offset is None
        return Said({row.route: (row.figures.requests, row.figures.errors) for row in answer.rows}, is_all)
    return Said({bucket.start.isoformat(): (bucket.requests, bucket.errors) for bucket in answer.buckets})


def differing(queue: Said, collector: Said) -> list[str]:
    """Names that differ, those with the most requests of difference first.

    A route that only one of them names counts if the other shows all of its own: else it may stand on another
    page. And not where the queue path's cap has folded routes, which the collector keeps.
    """
    found = []
    for name in {*queue.counts, *collector.counts}:
        if OTHER in queue.counts and (name == OTHER or name not in queue.counts):
            continue
        if not all(side.is_all or name in side.counts for side in (queue, collector)):
            continue
        if queue.of(name) != collector.of(name):
            found.append(name)
    return sorted(found, key=lambda name: (-_apart(queue, collector, name), name))


def share_of(names: Sequence[str], queue: Said, collector: Said) -> float:
    """How many of the requests differ, of all."""
    every = sum(max(queue.of(name)[0], collector.of(name)[0]) for name in {*queue.counts, *collector.counts})
    return sum(_apart(queue, collector, name) for name in names) / every if every else 0.0


def _apart(queue: Said, collector: Said, name: str) -> int:
    return max(abs(ours - theirs) for ours, theirs in zip(queue.of(name), collector.of(name), strict=True))
