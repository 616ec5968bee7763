"""What the legacy collector can say: counts of routes and hours."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from django.db.models import Count, F, FloatField, QuerySet, Sum
from django.db.models.functions import Cast

from legacy_collector.database import reading
from legacy_collector.models import CollectedHourly
from stats.reports import spans
from stats.reports.buckets import bucket, edges
from stats.reports.figures import Counts
from stats.reports.kinds import kind_of
from stats.reports.pages import Page
from stats.reports.period import Range
from stats.reports.shapes import Figures, Overview, RouteRow, Routes, TimeSeries

ORDERS = {"requests": "-total", "errors": "-bad", "error_rate": "-rate"}


def overview(period: Range) -> Overview:
    """Counts only. Raises CollectorRefused."""
    before = period.previous()
    return Overview(spans.coverage(period), "legacy", total(period), total(before), spans.coverage(before))


def total(period: Range, route: str | None = None) -> Figures:
    """Counts of all routes, or of one. Raises CollectorRefused."""
    with reading() as connection:
        found = _hours(connection.alias, period)
        if route is not None:
            found = found.filter(route=route)
        sums = found.aggregate(total=Sum("requests"), bad=Sum("errors"))
    return _figures(sums["total"] or 0, sums["bad"] or 0)


def timeseries(period: Range, step: str, route: str | None) -> TimeSeries:
    """Counts only. Raises InvalidFilter, CollectorRefused."""
    bounds = edges(period, step)
    sums = [[0, 0] for _ in bounds]
    with reading() as connection:
        found = _hours(connection.alias, period)
        if route is not None:
            found = found.filter(route=route)
        for hour, requests, errors in found.values_list("hour").annotate(Sum("requests"), Sum("errors")):
            place = sums[bisect_right(bounds, hour) - 1]
            place[0] += requests
            place[1] += errors
    filled = tuple(
        bucket(period, both, _counts(*sums[number]), None, None)
        for number, both in enumerate(pairwise(bounds))
    )
    return TimeSeries(spans.coverage(period), "legacy", step, filled, ())


def routes(period: Range, page: Page, search: str) -> Routes:
    """Sorted by requests, errors or error rate; by requests where that is not known here.

    Raises CollectorRefused.
    """
    known = page if page.sort in ORDERS else replace(page, sort="requests")
    with reading() as connection:
        found = _hours(connection.alias, period).values("route")
        if search:
            found = found.filter(route__icontains=search)
        total = found.aggregate(count=Count("route", distinct=True))["count"]
        summed = found.annotate(total=Sum("requests"), bad=Sum("errors"))
        rated = summed.annotate(rate=Cast(F("bad"), FloatField()) / F("total"))
        ordered = rated.order_by(ORDERS[known.sort], "route")
        rows = [_row(row) for row in ordered[page.offset : page.offset + page.limit]]
    return known.of(rows, total, spans.coverage(period), "legacy")


def _hours(alias: str, period: Range) -> QuerySet[CollectedHourly]:
    return CollectedHourly.objects.using(alias).filter(hour__gte=period.start, hour__lt=period.end)


def _row(row: Mapping[str, Any]) -> RouteRow:
    return RouteRow(row["route"], kind_of(row["route"]), row["total"], _figures(row["total"], row["bad"]))


def _counts(requests: int, errors: int) -> Counts:
    return Counts(requests, errors, None, None)


def _figures(requests: int, errors: int) -> Figures:
    rate = errors / requests if requests else 0.0
    return Figures(requests, errors, rate)
