"""Figures over time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.backends.utils import CursorWrapper

from stats.reports import buckets, filters, from_events, legacy, spans, stepped
from stats.reports.period import Range
from stats.reports.reading import reading
from stats.reports.shapes import TimeSeries


def timeseries(
    period: Range, step: str = "hour", *, route: str | None = None, method: str | None = None
) -> TimeSeries:
    """Buckets of a minute, an hour or a day of the range's zone; of one route, or of all.

    Minutes, and all with a method, come from the events: as far as they are kept. Raises InvalidFilter
    (`step` for too many buckets), ReportTimedOut, django.db.Error.
    """
    filters.one_of("step", step, filters.STEPS)
    wanted_route = None if route is None else filters.route(route)
    wanted_method = filters.method(method)
    wide = period.outward(min(buckets.LENGTHS[step], buckets.HOUR))
    bounds = buckets.edges(wide, step)
    with reading() as cursor:
        if step == "minute" or wanted_method is not None:
            return _of_events(cursor, wide, step, bounds, wanted_route, wanted_method)
        series = _of_rollups(cursor, wide, step, bounds, wanted_route)
        if not any(found.requests for found in series.buckets) and legacy.answers(cursor):
            return legacy.timeseries(wide, step, bounds, wanted_route)
        return series


def _of_rollups(
    cursor: CursorWrapper, period: Range, step: str, bounds: Sequence[datetime], route: str | None
) -> TimeSeries:
    has_days = step == "day" and buckets.is_of_whole_days(bounds)
    found = spans.split(cursor, period) if has_days else spans.hourly(cursor, period)
    return TimeSeries(
        coverage=found.coverage,
        data_source="queue",
        step=step,
        buckets=tuple(stepped.read(cursor, found, bounds, route)),
        estimated=("p95", "clients"),
    )


def _of_events(
    cursor: CursorWrapper,
    period: Range,
    step: str,
    bounds: Sequence[datetime],
    route: str | None,
    method: str | None,
) -> TimeSeries:
    return TimeSeries(
        coverage=from_events.coverage(cursor, period),
        data_source="queue",
        step=step,
        buckets=tuple(from_events.series(cursor, period, bounds, route, method)),
        estimated=(),
    )
