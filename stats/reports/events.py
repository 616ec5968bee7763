"""The events themselves, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.idempotency import id_prefix
from stats.reports import filters, from_events
from stats.reports.period import Range
from stats.reports.reading import reading
from stats.reports.scanning import Scan
from stats.reports.shapes import Event, EventsPage

MINUTE = timedelta(minutes=1)


def events(
    period: Range,
    *,
    route: str | None = None,
    path_prefix: str = "",
    status_class: str | None = None,
    method: str | None = None,
    client: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> EventsPage:
    """Events of the range, newest first, after `cursor`.

    Raises InvalidFilter, ReportTimedOut, django.db.Error.
    """
    filters.limit(limit)
    wide = period.outward(MINUTE)
    end = id_prefix(wide.end)
    scan = Scan(
        period=wide,
        before=min(filters.cursor(cursor) or end, end),
        route=None if route is None else filters.route(route),
    )
    conditions, parameters = _conditions(
        filters.path_prefix(path_prefix),
        filters.status_class(status_class),
        filters.method(method),
        filters.client(client),
    )
    with reading() as database:
        found = scan.matching(database, conditions, parameters, limit + 1)
        following = found[limit - 1][0] if len(found) > limit else scan.last_looked_at(database)
        covered = from_events.coverage(database, wide)
    return EventsPage(
        coverage=covered,
        data_source="queue",
        events=tuple(_event(row, period) for row in found[:limit]),
        next_cursor=following,
    )


def _conditions(
    path_prefix: str, status_class: int | None, method: str | None, client: str | None
) -> tuple[str, list[Any]]:
    """What no index knows."""
    wanted: dict[str, Any] = {
        "starts_with(path, %s)": path_prefix or None,
        "status / 100 = %s": status_class,
        "method = %s": method,
        "client_ip_hash = %s": client,
    }
    given = {sql: value for sql, value in wanted.items() if value is not None}
    return " AND ".join(given) or "true", list(given.values())


def _event(row: Sequence[Any], period: Range) -> Event:
    moment = datetime.fromtimestamp(row[1] / 1000, UTC).astimezone(period.tzinfo)
    return Event(row[0], moment, *row[2:])
