"""The events of a route that somebody should look at: the slowest, and the errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from stats.reports import filters, from_events
from stats.reports.period import Range
from stats.reports.reading import reading
from stats.reports.scanning import COLUMNS
from stats.reports.shapes import Event, Notable

LOOKED_AT = 5_000  # events at most, the newest: each is a page to be read
MINUTE = timedelta(minutes=1)

_NOTABLE = """
WITH newest AS MATERIALIZED (
    SELECT {columns} FROM stats_event WHERE {condition} ORDER BY idempotent_id DESC LIMIT %s
)
(SELECT 'slowest', (SELECT count(*) FROM newest), * FROM newest ORDER BY response_time DESC LIMIT %s)
UNION ALL
(SELECT 'error', 0, * FROM newest WHERE status >= 400 ORDER BY idempotent_id DESC LIMIT %s)
"""


def notable(name: str, period: Range, *, limit: int = 10) -> Notable:
    """Of the route's newest events in the range, as far as they are kept.

    Raises InvalidFilter, ReportTimedOut, django.db.Error.
    """
    filters.limit(limit)
    condition, parameters = from_events.where(period.outward(MINUTE), filters.route(name))
    with reading() as cursor:
        sql = _NOTABLE.format(columns=COLUMNS, condition=condition)
        cursor.execute(sql, [*parameters, LOOKED_AT, limit, limit])
        rows = cursor.fetchall()
    found: dict[str, list[Event]] = {"slowest": [], "error": []}
    for kind, _, event_id, milliseconds, *others in rows:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC).astimezone(period.tzinfo)
        found[kind].append(Event(event_id, moment, *others))
    looked_at = max((row[1] for row in rows), default=0)
    return Notable(tuple(found["slowest"]), tuple(found["error"]), looked_at)
