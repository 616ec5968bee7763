"""Figures from the events themselves: exact, but only as far back as events are kept.

For what rollups do not know: minutes, and one method's share of anything. Costs a scan of the range.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from typing import Any

from django.db.backends.utils import CursorWrapper

from gateway.idempotency import id_prefix
from stats.reports import spans
from stats.reports.buckets import bucket
from stats.reports.figures import RANKS, Counts
from stats.reports.period import Range
from stats.reports.shapes import Bucket, Coverage, Distinct, Figures, Quantile

# The columns of `rows.COUNTS` but for `imported`, and those that only events can answer exactly.
COUNTS = (
    *("count(*)", "count(*) FILTER (WHERE status >= 400)"),
    *(f"count(*) FILTER (WHERE status BETWEEN {n}00 AND {n}99)" for n in range(1, 6)),
    *("sum(response_bytes)::bigint", "sum(response_time)", "min(response_time)", "max(response_time)"),
)
DISTINCT = "count(DISTINCT client_ip_hash)"
QUANTILES = "percentile_disc(%s::float8[]) WITHIN GROUP (ORDER BY response_time)"

_SEALED = "SELECT max(day) FROM stats_trafficday WHERE sealed_at IS NOT NULL AND day <= %s"


def coverage(cursor: CursorWrapper, period: Range) -> Coverage:
    """From when on all events are there: the day after the last one that was dropped."""
    cursor.execute(_SEALED, [(period.end - timedelta(microseconds=1)).astimezone(UTC).date()])
    sealed = cursor.fetchone()[0]
    if sealed is None:
        return spans.coverage(period)
    reach = datetime.combine(sealed + timedelta(days=1), time(), UTC)
    return spans.coverage(period, reach if reach > period.start else None)


def where(period: Range, route: str | None = None, method: str | None = None) -> tuple[str, list[Any]]:
    """A condition on events, which names the ids so that only the range's partitions are read."""
    conditions = ["idempotent_id >= %s", "idempotent_id < %s"]
    parameters: list[Any] = [id_prefix(period.start), id_prefix(period.end)]
    for column, value in (("route", route), ("method", method)):
        if value is not None:
            conditions.append(f"{column} = %s")
            parameters.append(value)
    return " AND ".join(conditions), parameters


def overview(cursor: CursorWrapper, period: Range, method: str) -> tuple[Coverage, Figures]:
    """Figures of one method."""
    condition, parameters = where(period, method=method)
    cursor.execute(
        f"SELECT {', '.join(COUNTS)}, {DISTINCT}, {QUANTILES} FROM stats_event WHERE {condition}",  # noqa: S608
        [list(RANKS), *parameters],
    )
    found = figures(cursor.fetchone())
    return coverage(cursor, period), found


def series(
    cursor: CursorWrapper, period: Range, bounds: Sequence[datetime], route: str | None, method: str | None
) -> Iterator[Bucket]:
    """A bucket for each two bounds."""
    condition, parameters = where(period, route, method)
    first_ms = [round(bound.timestamp() * 1000) for bound in bounds[:-1]]
    cursor.execute(
        f'SELECT width_bucket("timestamp", %s::bigint[]), {", ".join(COUNTS)}, {DISTINCT}, {QUANTILES}'  # noqa: S608
        f" FROM stats_event WHERE {condition} GROUP BY 1",
        [first_ms, [0.5, 0.95, 0.99], *parameters],
    )
    found = {row[0]: row[1:] for row in cursor.fetchall()}
    for number, both in enumerate(pairwise(bounds), 1):
        if number in found:
            *counts, clients, quantiles = found[number]
            p50, p95, p99 = quantiles
            yield bucket(period, both, Counts.of_row(counts), p95, clients, p50, p99)
        else:
            yield bucket(period, both, Counts(), None, 0)


def figures(row: Sequence[Any]) -> Figures:
    """From the columns COUNTS, DISTINCT and QUANTILES of all RANKS."""
    *columns, clients, quantiles = row
    counts = Counts.of_row(columns)
    p50, p90, p95, p99 = (
        Quantile(value, value, value, is_exact=True) if value is not None else None
        for value in quantiles or [None] * len(RANKS)
    )
    return Figures(
        counts.requests,
        counts.errors,
        counts.error_rate,
        counts.statuses,
        counts.response_bytes,
        counts.mean,
        counts.minimum,
        counts.maximum,
        p50,
        p90,
        p95,
        p99,
        Distinct(clients, clients, clients, is_exact=True, is_lower_bound=False),
        counts.requests,
    )
