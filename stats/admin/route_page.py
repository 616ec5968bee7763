"""The page of one route."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext

from gateway.admin import text
from stats import read_from, reports
from stats.admin import viewing
from stats.dashboard import numbers
from stats.dashboard.cards import Card, cards
from stats.dashboard.charts import Chart, clients, histogram, requests, response_times
from stats.dashboard.choice import Choice
from stats.reports import Range
from stats.reports.shapes import Event, MixEntry, RouteReport

EVENTS = 10


@dataclass(frozen=True)
class Page:
    """What is shown of a route."""

    report: RouteReport
    cards: list[Card]
    charts: list[Chart]
    mixes: list[dict[str, Any]]
    mix_of: str
    events: list[dict[str, Any]]  # the slowest, and the errors
    looked_at: str  # so many events were looked at for these


def view(site: AdminSite, request: HttpRequest) -> TemplateResponse:
    """Figures, series, mix, distribution and what to look at. Raises PermissionDenied and Http404."""
    if not request.user.has_perm("stats.view_pathstatshourly"):
        raise PermissionDenied
    choice = viewing.choice_of(request)
    if not choice.route:
        raise Http404("No route is named")
    reader = read_from.of_user(request.user.get_username())
    may_see_events = request.user.has_perm("stats.view_event")
    page, problem = viewing.read(lambda: _page(choice, choice.period(), reader, may_see_events))
    hourly = reverse("admin:stats_pathstatshourly_changelist")
    context = {
        **site.each_context(request),
        **viewing.controls(choice),
        "title": text.one_line(choice.route),
        "back": reverse("admin:index") + choice.url(route=""),
        "hourly": f"{hourly}?{urlencode({'q': choice.route})}",
        "problem": problem,
        "page": page,
    }
    return TemplateResponse(request, "stats/route.html", context)


def _page(choice: Choice, period: Range, reader: str, may_see_events: bool) -> Page:
    step = choice.step(period)
    found = reports.route(choice.route, period, step=step, has_quantiles=True, reader=reader)
    charts = [requests(found.series), response_times(found.series), clients(found.series)]
    if found.distribution:
        charts.append(histogram(found.distribution))
    events, looked_at = [], ""
    if may_see_events:
        notable = reports.notable(choice.route, period, limit=EVENTS)
        events = [
            _events(gettext("Newest errors"), notable.errors),
            _events(gettext("Slowest requests"), notable.slowest),
        ]
        looked_at = numbers.count(notable.looked_at)
    return Page(
        report=found,
        cards=cards(found, choice.is_compared),
        charts=charts,
        mixes=[_mix(gettext("Status"), found.statuses), _mix(gettext("Methods"), found.methods)],
        mix_of=numbers.count(found.mix_of),
        events=events,
        looked_at=looked_at,
    )


def _mix(title: str, entries: Iterable[MixEntry]) -> dict[str, Any]:
    found = list(entries)
    total = sum(entry.requests for entry in found)
    return {
        "title": title,
        "rows": [
            {
                "value": text.one_line(entry.value),
                "requests": numbers.count(entry.requests),
                "share": numbers.share(entry.requests / total),
            }
            for entry in found
        ],
    }


def _events(title: str, found: Iterable[Event]) -> dict[str, Any]:
    return {
        "title": title,
        "rows": [
            {
                "link": reverse("admin:stats_event_change", args=[event.idempotent_id]),
                "time": f"{event.occurred_at:%Y-%m-%d %H:%M:%S}",
                "method": text.one_line(event.method),
                "path": text.one_line(event.path),
                "status": text.status_label(event.status),
                "took": numbers.milliseconds(event.response_time),
            }
            for event in found
        ],
    }
