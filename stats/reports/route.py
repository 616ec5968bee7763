"""One route."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db.backends.utils import CursorWrapper

from stats.reports import filters, from_events, legacy, merging, rows, spans
from stats.reports.buckets import MAX_BUCKETS
from stats.reports.errors import InvalidFilter
from stats.reports.figures import Merged, figures
from stats.reports.kinds import kind_of
from stats.reports.period import Range
from stats.reports.reading import reading
from stats.reports.shapes import Coverage, DataSource, Figures, MixEntry, RouteReport
from stats.reports.timeseries import timeseries

MIX_EVENTS = 20_000  # at most; the newest say enough, and are found by the index
HOURS_UP_TO = timedelta(days=3)
DAYS_UP_TO = timedelta(days=MAX_BUCKETS)

_MIX = """
SELECT method, status, count(*), min("timestamp")
FROM (SELECT method, status, "timestamp" FROM stats_event WHERE {condition}
      ORDER BY idempotent_id DESC LIMIT %s) AS newest
GROUP BY 1, 2
"""


def route(name: str, period: Range, *, step: str | None = None) -> RouteReport:
    """Figures, series and mix of one route; zeros for one without requests in the range.

    Without a step: hours for up to three days, else days. Raises InvalidFilter, ReportTimedOut,
    django.db.Error.
    """
    filters.route(name)
    wide = period.outward()
    if step is None and period.length > DAYS_UP_TO:
        raise InvalidFilter("end", f"more than {DAYS_UP_TO.days} days after the start")
    source: DataSource = "queue"
    with reading() as cursor:
        series = timeseries(period, step or ("hour" if period.length <= HOURS_UP_TO else "day"), route=name)
        covered, current = _of_rollups(cursor, wide, name)
        _, before = _of_rollups(cursor, wide.previous(), name)
        if not current.requests and legacy.answers(cursor):
            source, covered, current = "legacy", spans.coverage(wide), legacy.total(wide, name)
            before = legacy.total(wide.previous(), name)
        methods, statuses, oldest = _mix(cursor, wide, name)
    return RouteReport(
        route=name,
        kind=kind_of(name),
        coverage=covered,
        data_source=source,
        current=current,
        previous=before,
        series=series,
        methods=methods,
        statuses=statuses,
        mix_of=sum(entry.requests for entry in methods),
        mix_reaches_back_to=oldest.astimezone(period.tzinfo) if oldest else None,
    )


def _of_rollups(cursor: CursorWrapper, period: Range, name: str) -> tuple[Coverage, Figures]:
    found = spans.split(cursor, period)
    relation = rows.of_named_routes(found, [name])
    merged = merging.of_groups(cursor, relation, merging.ROUTE)
    return found.coverage, figures(rows.counts(cursor, relation), merged.get(name, Merged()))


def _mix(
    cursor: CursorWrapper, period: Range, name: str
) -> tuple[tuple[MixEntry, ...], tuple[MixEntry, ...], datetime | None]:
    """Methods, statuses, and the time of the oldest event that was looked at."""
    condition, parameters = from_events.where(period, name)
    cursor.execute(_MIX.format(condition=condition), [*parameters, MIX_EVENTS])
    methods: dict[str, int] = {}
    statuses: dict[str, int] = {}
    oldest: int | None = None
    for method, status, count, first in cursor.fetchall():
        methods[method] = methods.get(method, 0) + count
        statuses[str(status)] = statuses.get(str(status), 0) + count
        oldest = first if oldest is None else min(oldest, first)
    moment = None if oldest is None else datetime.fromtimestamp(oldest / 1000, UTC)
    return _entries(methods), _entries(statuses), moment


def _entries(counts: dict[str, int]) -> tuple[MixEntry, ...]:
    """The most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(MixEntry(value, count) for value, count in ordered)
