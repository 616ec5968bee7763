"""One route."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from django.db import Error
from django.db.backends.utils import CursorWrapper

from stats.errors import one_line
from stats.read_from import NOBODY
from stats.reports import buckets, filters, from_events, legacy, merging, rows, spans
from stats.reports.answering import Question, answer
from stats.reports.buckets import MAX_BUCKETS
from stats.reports.distribution import distribution
from stats.reports.errors import InvalidFilter, ReportTimedOut
from stats.reports.figures import Counts, Merged, figures
from stats.reports.kinds import kind_of
from stats.reports.period import Range
from stats.reports.reading import reading
from stats.reports.shapes import Coverage, DataSource, Figures, MixEntry, RouteReport, TimeSeries
from stats.reports.timeseries import of_events, of_rollups

logger = logging.getLogger(__name__)

MIX_EVENTS = 20_000  # at most; the newest say enough, and are found by the index
HOURS_UP_TO = timedelta(days=3)
DAYS_UP_TO = timedelta(days=MAX_BUCKETS)

_MIX = """
SELECT method, status, count(*), min("timestamp")
FROM (SELECT method, status, "timestamp" FROM stats_event WHERE {condition}
      ORDER BY idempotent_id DESC LIMIT %s) AS newest
GROUP BY 1, 2
"""


class Mix(NamedTuple):
    """Methods, statuses, and the time of the oldest event that was looked at."""

    methods: tuple[MixEntry, ...]
    statuses: tuple[MixEntry, ...]
    oldest: datetime | None


def route(
    name: str,
    period: Range,
    *,
    step: str | None = None,
    has_quantiles: bool = False,
    reader: str = NOBODY,
) -> RouteReport:
    """Figures, series and mix of one route; zeros for one without requests in the range.

    Without a step: hours for up to three days, else days. `has_quantiles` as in `timeseries`. Raises
    InvalidFilter, ReportTimedOut, CollectorRefused, django.db.Error.
    """
    filters.route(name)
    wide = period.outward()
    if step is None and period.length > DAYS_UP_TO:
        raise InvalidFilter("end", f"more than {DAYS_UP_TO.days} days after the start")
    chosen = filters.one_of("step", step, filters.STEPS) if step else _step_for(period)
    minutes = period.outward(buckets.LENGTHS["minute"])
    buckets.edges(minutes if chosen == "minute" else wide, chosen)  # that they are not too many
    return answer(
        Question(
            "route",
            wide,
            lambda range_: _of_queue(name, range_, chosen, minutes, has_quantiles),
            lambda range_: _of_collector(name, range_, chosen, minutes),
        ),
        reader,
    )


def _step_for(period: Range) -> str:
    return "hour" if period.length <= HOURS_UP_TO else "day"


def _of_queue(name: str, period: Range, step: str, minutes: Range, has_quantiles: bool) -> RouteReport:
    with reading() as cursor:  # joined by the series, so that all are of one moment
        covered, counted, merged = _of_rollups(cursor, period, name)
        _, counted_before, merged_before = _of_rollups(cursor, period.previous(), name)
        mix = _mix(cursor, period, name)
        if step == "minute":
            series = of_events(minutes, step, name, None)
        else:
            series = of_rollups(period, step, name, has_quantiles=has_quantiles)
    current, before = figures(counted, merged), figures(counted_before, merged_before)
    report = _report(name, "queue", covered, current, before, series, mix)
    return replace(report, distribution=distribution(merged.latency))


def _of_collector(name: str, period: Range, step: str, minutes: Range) -> RouteReport:
    """Minutes and the mix are known to the events alone."""
    current, before = legacy.total(period, name), legacy.total(period.previous(), name)
    if step == "minute":
        series = of_events(minutes, step, name, None)
    else:
        series = legacy.timeseries(period, step, name)
    try:
        with reading() as cursor:
            mix = _mix(cursor, period, name)
    except (Error, OSError, ReportTimedOut) as error:
        logger.warning("The mix of a route is not known: %s", one_line(error))
        mix = Mix((), (), None)
    return _report(name, "legacy", spans.coverage(period), current, before, series, mix)


def _report(
    name: str,
    source: DataSource,
    covered: Coverage,
    current: Figures,
    before: Figures,
    series: TimeSeries,
    mix: Mix,
) -> RouteReport:
    return RouteReport(
        route=name,
        kind=kind_of(name),
        coverage=covered,
        data_source=source,
        current=current,
        previous=before,
        series=series,
        methods=mix.methods,
        statuses=mix.statuses,
        mix_of=sum(entry.requests for entry in mix.methods),
        mix_reaches_back_to=mix.oldest.astimezone(covered.start.tzinfo) if mix.oldest else None,
    )


def _of_rollups(cursor: CursorWrapper, period: Range, name: str) -> tuple[Coverage, Counts, Merged]:
    found = spans.split(cursor, period)
    relation = rows.of_named_routes(found, [name])
    merged = merging.of_groups(cursor, relation, merging.ROUTE)
    return found.coverage, rows.counts(cursor, relation), merged.get(name, Merged())


def _mix(cursor: CursorWrapper, period: Range, name: str) -> Mix:
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
    return Mix(_entries(methods), _entries(statuses), moment)


def _entries(counts: dict[str, int]) -> tuple[MixEntry, ...]:
    """The most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(MixEntry(value, count) for value, count in ordered)
