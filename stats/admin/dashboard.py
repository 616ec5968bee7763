"""The admin's first page."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db import Error
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from gateway.admin import text
from gateway.conf import conf
from legacy_collector.database import CollectorRefused
from stats import read_from, reports
from stats.dashboard import numbers
from stats.dashboard.cards import Card, cards
from stats.dashboard.charts import Chart, clients, requests, response_times
from stats.dashboard.choice import RANGES, SORTS, Choice
from stats.dashboard.heat import Row, heat, is_shown
from stats.dashboard.strip import Sign, strip
from stats.errors import one_line
from stats.reports import InvalidFilter, Range, ReportTimedOut
from stats.reports.shapes import Overview, RouteRow, Routes, TimeSeries, TopValues

logger = logging.getLogger(__name__)

ZONE_COOKIE = "tallygate_zone"  # the page's script says which zone the viewer's clock has
ROUTES = 15
VALUES = 5
KINDS = {"client": "Clients", "user_agent": "User agents", "method": "Methods", "country": "Countries"}

FAILURES = (Error, OSError, ReportTimedOut, CollectorRefused)


@dataclass(frozen=True)
class Traffic:
    """What is shown of a range."""

    overview: Overview
    cards: list[Card]
    charts: list[Chart]
    routes: Routes
    rows: list[dict[str, Any]]
    values: list[dict[str, Any]]
    heat: list[Row]  # of a week or more


def context(request: HttpRequest, found: dict[str, Any]) -> dict[str, Any]:
    """For unfold's DASHBOARD_CALLBACK. Never raises: what can't be read is said on the page."""
    if not request.user.has_perm("stats.view_pathstatshourly"):
        return found
    choice = Choice.of(request.GET, _zone(request))
    problem, traffic = "", None
    try:
        traffic = _traffic(choice, choice.period(), read_from.of_user(request.user.get_username()))
    except InvalidFilter as error:
        problem = str(error)
    except FAILURES as error:
        logger.warning("Dashboard: %s", one_line(error))
        problem = "The statistics can't be read at the moment."
    return {
        **found,
        "title": "Traffic",
        "choice": choice,
        "ranges": [(name, title, choice.url(last=name, start="", end="")) for name, title in RANGES.items()],
        "sorts": [(name, title, choice.url(sort=name)) for name, title in SORTS.items()],
        "comparing": choice.url(is_compared=not choice.is_compared),
        "problem": problem,
        "traffic": traffic,
        "signs": _signs(request),
        "test_url": request.build_absolute_uri("/api/test") if conf.test_endpoint else "",
    }


def _signs(request: HttpRequest) -> list[Sign]:
    return strip() if request.user.has_perm("stats.view_consumerheartbeat") else []


def _zone(request: HttpRequest) -> str:
    zone = request.COOKIES.get(ZONE_COOKIE, "UTC")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        return "UTC"
    return zone


def _traffic(choice: Choice, period: Range, reader: str) -> Traffic:
    overview = reports.overview(period, reader=reader)
    series = reports.timeseries(period, choice.step(period), has_quantiles=True, reader=reader)
    found = reports.routes(period, sort=choice.sort, search=choice.search, limit=ROUTES, reader=reader)
    most = max((row.figures.requests for row in found.rows), default=0)
    return Traffic(
        overview=overview,
        cards=cards(overview, choice.is_compared),
        charts=[requests(series), response_times(series), clients(series)],
        routes=found,
        rows=[_row(row, most) for row in found.rows],
        values=[_values(reports.top_values(kind, period, limit=VALUES)) for kind in KINDS],
        heat=_heat(series, period, reader),
    )


def _heat(series: TimeSeries, period: Range, reader: str) -> list[Row]:
    if not is_shown(period):
        return []
    return heat(series if series.step == "hour" else reports.timeseries(period, "hour", reader=reader))


def _row(row: RouteRow, most: int) -> dict[str, Any]:
    figures = row.figures
    hourly = reverse("admin:stats_pathstatshourly_changelist")
    return {
        "route": text.one_line(row.route),
        "link": f"{hourly}?{urlencode({'q': row.route})}",
        "requests": numbers.count(figures.requests),
        "width": round(100 * figures.requests / most) if most else 0,
        "errors": numbers.share(figures.error_rate) if figures.errors else "0",
        "p95": numbers.milliseconds(figures.p95.value if figures.p95 else None),
        "clients": numbers.count(figures.clients.estimate) if figures.clients else numbers.UNKNOWN,
    }


def _values(found: TopValues) -> dict[str, Any]:
    rows = [*found.rows, *([found.other] if found.other else [])]
    return {
        "title": KINDS[found.kind],
        "rows": [
            {
                "value": text.one_line(row.value) if row.value else "not said",
                "requests": numbers.count(row.requests),
                "share": numbers.share(row.share),
            }
            for row in rows
        ],
    }


admin.site.index_template = "stats/dashboard.html"
