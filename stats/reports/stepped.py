"""Rollup rows put into the buckets of a time series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.db.backends.utils import CursorWrapper

from stats.reports import merging, rows
from stats.reports.buckets import bucket
from stats.reports.figures import Counts, Merged
from stats.reports.rows import Relation
from stats.reports.shapes import Bucket
from stats.reports.spans import Spans

RANKS = (0.5, 0.95, 0.99)
_BUCKET = "width_bucket(at, %s::timestamptz[])"


@dataclass(frozen=True)
class _Step:
    counts: Counts
    row_count: int  # without imported ones
    p95: float | None  # of the one row there is, as the next one
    clients: int | None


def read(
    cursor: CursorWrapper,
    spans: Spans,
    bounds: Sequence[datetime],
    route: str | None,
    *,
    has_quantiles: bool = False,
) -> Iterator[Bucket]:
    """A bucket for each two bounds.

    Where one row fills it that row's own p95 and clients do, unless p50 and p99 are wanted besides.
    """
    relation = rows.totals(spans) if route is None else rows.of_routes(spans, "route = %s", (route,))
    steps = _steps(cursor, relation, bounds)
    merged: dict[int, Merged] = {}
    if has_quantiles or any(step.row_count > 1 for step in steps.values()):
        merged = merging.of_groups(cursor, relation, _BUCKET, [list(bounds[:-1])])
    for number, (start, end) in enumerate(pairwise(bounds), 1):
        step = steps.get(number, _Step(Counts(), 0, None, None))
        p95, clients, p50, p99 = step.p95, step.clients, None, None
        if number in merged:
            p50, p95, p99 = merged[number].quantiles(RANKS)
            clients = merged[number].distinct().estimate
        if not has_quantiles:
            p50 = p99 = None
        yield bucket(spans.period, (start, end), step.counts, p95, clients, p50, p99)


def _steps(cursor: CursorWrapper, relation: Relation, bounds: Sequence[datetime]) -> dict[int, _Step]:
    cursor.execute(
        f"SELECT {_BUCKET}, {rows.COUNTS}, count(p95), max(p95), max(distinct_clients)"  # noqa: S608
        f" FROM {relation.sql} GROUP BY 1",
        [list(bounds[:-1]), *relation.parameters],
    )
    return {row[0]: _step(row[1:-3], *row[-3:]) for row in cursor.fetchall()}


def _step(counts: Sequence[object], row_count: int, p95: float | None, clients: float | None) -> _Step:
    # A row from before summaries were kept has neither; nor have imported ones.
    if not clients:
        return _Step(Counts.of_row(counts), row_count, None, None)
    return _Step(Counts.of_row(counts), row_count, p95, round(clients))
