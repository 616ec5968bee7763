"""Figures over time."""

from __future__ import annotations

from stats.read_from import NOBODY
from stats.reports import buckets, filters, from_events, legacy, spans, stepped
from stats.reports.answering import Question, answer
from stats.reports.period import Range
from stats.reports.reading import reading
from stats.reports.shapes import TimeSeries


def timeseries(
    period: Range,
    step: str = "hour",
    *,
    route: str | None = None,
    method: str | None = None,
    has_quantiles: bool = False,
    reader: str = NOBODY,
) -> TimeSeries:
    """Buckets of a minute, an hour or a day of the range's zone; of one route, or of all.

    `has_quantiles` asks for p50 and p99 besides, which takes a merge of summaries for each bucket.
    Minutes, and all with a method, come from the events: as far as they are kept. Raises InvalidFilter
    (`step` for too many buckets), ReportTimedOut, CollectorRefused, django.db.Error.
    """
    filters.one_of("step", step, filters.STEPS)
    wanted_route = None if route is None else filters.route(route)
    wanted_method = filters.method(method)
    wide = period.outward(min(buckets.LENGTHS[step], buckets.HOUR))
    buckets.edges(wide, step)  # that they are not too many
    if step == "minute" or wanted_method is not None:
        return of_events(wide, step, wanted_route, wanted_method)
    return answer(
        Question(
            "timeseries",
            wide,
            lambda period: of_rollups(period, step, wanted_route, has_quantiles=has_quantiles),
            lambda period: legacy.timeseries(period, step, wanted_route),
        ),
        reader,
    )


def of_rollups(period: Range, step: str, route: str | None, *, has_quantiles: bool = False) -> TimeSeries:
    """Raises InvalidFilter, ReportTimedOut, django.db.Error; as the next one."""
    bounds = buckets.edges(period, step)
    has_days = step == "day" and buckets.is_of_whole_days(bounds)
    with reading() as cursor:
        found = spans.split(cursor, period) if has_days else spans.hourly(cursor, period)
        series = tuple(stepped.read(cursor, found, bounds, route, has_quantiles=has_quantiles))
    estimated = ("p50", "p95", "p99", "clients") if has_quantiles else ("p95", "clients")
    return TimeSeries(found.coverage, "queue", step, series, estimated)


def of_events(period: Range, step: str, route: str | None, method: str | None) -> TimeSeries:
    bounds = buckets.edges(period, step)
    with reading() as cursor:
        covered = from_events.coverage(cursor, period)
        series = tuple(from_events.series(cursor, period, bounds, route, method))
    return TimeSeries(covered, "queue", step, series, ())
