"""The admin's first page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gateway.admin import text
from gateway.conf import conf
from stats import read_from, reports
from stats.admin import viewing
from stats.dashboard import numbers
from stats.dashboard.cards import Card, cards
from stats.dashboard.charts import Chart, clients, requests, response_times
from stats.dashboard.choice import SORTS, Choice
from stats.dashboard.heat import Row, heat, is_shown
from stats.dashboard.strip import strip
from stats.reports import Range
from stats.reports.shapes import Overview, RouteRow, Routes, TimeSeries, TopValues

ROUTES = 15
VALUES = 5
KINDS = {
    "client": _("Clients"),
    "user_agent": _("User agents"),
    "method": _("Methods"),
    "country": _("Countries"),
}


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
    choice = viewing.choice_of(request)
    reader = read_from.of_user(request.user.get_username())
    traffic, problem = viewing.read(lambda: _traffic(choice, choice.period(), reader))
    return {
        **found,
        **viewing.controls(choice),
        "title": gettext("Traffic"),
        "sorts": [(name, title, choice.url(sort=name)) for name, title in SORTS.items()],
        "problem": problem,
        "traffic": traffic,
        "signs": strip() if request.user.has_perm("stats.view_consumerheartbeat") else [],
        "test_url": request.build_absolute_uri("/api/test") if conf.test_endpoint else "",
    }


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
        rows=[_row(choice, row, most) for row in found.rows],
        values=[_values(reports.top_values(kind, period, limit=VALUES)) for kind in KINDS],
        heat=_heat(series, period, reader),
    )


def _heat(series: TimeSeries, period: Range, reader: str) -> list[Row]:
    if not is_shown(period):
        return []
    return heat(series if series.step == "hour" else reports.timeseries(period, "hour", reader=reader))


def _row(choice: Choice, row: RouteRow, most: int) -> dict[str, Any]:
    figures = row.figures
    return {
        "route": text.one_line(row.route),
        "link": reverse("admin:stats_route") + choice.url(route=row.route, search="", sort=Choice.sort),
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
                "value": text.one_line(row.value) if row.value else gettext("not said"),
                "requests": numbers.count(row.requests),
                "share": numbers.share(row.share),
            }
            for row in rows
        ],
    }
