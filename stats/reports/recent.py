"""The last minutes, and what the same minutes of another week would have been: at a bounded cost.

The minutes come from the events, the newest LOOKED_AT of them at most, so a flood costs no more than a busy
day; what they say is a rate, a share, a percentile. Another week is known by hours only: the requests of each
are taken as spread evenly over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.idempotency import extract_timestamp
from stats.reports import filters, from_events, rows, spans
from stats.reports.period import HOUR, Range
from stats.reports.reading import SECONDS, reading

LOOKED_AT = 20_000  # events
ANY = "*"  # in the pattern of a route

_NEWEST = """
SELECT count(*), min(idempotent_id), count(*) FILTER (WHERE matches),
       count(*) FILTER (WHERE matches AND status >= 400),
       count(*) FILTER (WHERE matches AND status BETWEEN 500 AND 599),
       percentile_disc(0.95) WITHIN GROUP (ORDER BY response_time) FILTER (WHERE matches)
FROM (SELECT idempotent_id, status, response_time, {matches} AS matches FROM stats_event
      WHERE {condition} ORDER BY idempotent_id DESC LIMIT %s) AS newest
"""


@dataclass(frozen=True)
class Recent:
    """Requests from `since` to `until`. Exact of these, if fewer than of the time that was asked for."""

    since: datetime
    until: datetime
    requests: int
    errors: int  # status 400 or more
    server_errors: int  # 5xx
    p95: float | None  # ms

    @property
    def a_minute(self) -> float:
        """Requests."""
        return self.requests / ((self.until - self.since) / timedelta(minutes=1))


def recent(period: Range, route: str = "", *, seconds: float = SECONDS) -> Recent:
    """The newest requests of a short time: of one route, of those that a pattern with `*` fits, or of all.

    Each statement may take so many seconds. Raises InvalidFilter, ReportTimedOut, django.db.Error.
    """
    pattern = filters.route(route)
    is_exact = bool(pattern) and ANY not in pattern
    condition, parameters = from_events.where(period, pattern if is_exact else None)
    matches = "route LIKE %s" if pattern and not is_exact else "true"
    given = [like(pattern)] if pattern and not is_exact else []
    with reading(seconds) as cursor:
        cursor.execute(_NEWEST.format(matches=matches, condition=condition), [*given, *parameters, LOOKED_AT])
        return _recent(period, cursor.fetchone())


def expected(period: Range, route: str = "", *, seconds: float = SECONDS) -> float:
    """How many requests the hours that hold this short time have had in as much time, on average.

    Raises InvalidFilter, ReportTimedOut, django.db.Error.
    """
    pattern = filters.route(route)
    with reading(seconds) as cursor:
        found = spans.hourly(cursor, period)
        relation = rows.of_routes(found, "route LIKE %s", [like(pattern)]) if pattern else rows.totals(found)
        cursor.execute(
            f"SELECT at, sum(requests)::bigint FROM {relation.sql} GROUP BY at",  # noqa: S608 (constants)
            relation.parameters,
        )
        return sum(requests * _share(period, hour) for hour, requests in cursor.fetchall())


def like(pattern: str) -> str:
    """A pattern with `*` as SQL has it; without one, the text itself."""
    for special in "\\%_":
        pattern = pattern.replace(special, "\\" + special)
    return pattern.replace(ANY, "%")


def _recent(period: Range, row: tuple[Any, ...]) -> Recent:
    looked_at, oldest, requests, errors, server_errors, p95 = row
    since = period.start
    if looked_at >= LOOKED_AT:
        first = datetime.fromtimestamp((extract_timestamp(oldest) or 0) / 1000, UTC)
        # All of them may be of the last millisecond.
        since = max(since, min(first, period.end - timedelta(milliseconds=1)))
    return Recent(since, period.end, requests, errors, server_errors, p95)


def _share(period: Range, hour: datetime) -> float:
    """Which part of the hour lies in the time."""
    common = min(period.end, hour + HOUR) - max(period.start, hour)
    return max(common, timedelta()) / HOUR
