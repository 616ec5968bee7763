"""Admin pages of hourly and daily statistics. A figure with ≈ is an estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway.admin import search, text
from gateway.admin.export import ExportAdmin
from gateway.admin.search import Period
from stats.admin import collector_instead
from stats.models import PathStatsDaily, PathStatsHourly, Rollup

if TYPE_CHECKING:
    from stats.estimators import ClientSummary, LatencySummary

RANKS = (0.5, 0.9, 0.95, 0.99)
EXPORTED = (
    *("route", "requests", "errors", "status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx"),
    *(
        "response_time_sum",
        "response_time_min",
        "response_time_max",
        "p95",
        "distinct_clients",
        "response_bytes",
    ),
)
FIGURES = (
    *("total", "failed", "status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx", "mean"),
    *("fastest", "slowest", "quantiles", "clients_shown", "sent"),
)


class RollupAdmin(ExportAdmin):
    """The columns that hours and days share."""

    list_deferred = ("response_times", "clients")
    search_fields = ("pk",)

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        query = search.parse(term)
        when = self.on_period(query.period) if query.period else Q()
        # LIKE 'x%' on a column with collation "C" is a range of the index.
        return rows.filter(when, Q(route__startswith=query.text) if query.text else Q())

    def on_period(self, period: Period) -> Q:
        raise NotImplementedError

    @display(description=_("Route"))
    def route_cut(self, stats: Any) -> str:
        return text.one_line(stats.route)

    @display(description=_("Route"))
    def route_shown(self, stats: Any) -> str:
        return text.whole(stats.route)

    @display(description=_("Requests"))
    def total(self, stats: Rollup) -> str:
        return text.count(stats.requests)

    @display(description=_("Errors"))
    def failed(self, stats: Rollup) -> str:
        return text.share(stats.errors, stats.requests)

    @display(description=_("By status"))
    def classes(self, stats: Rollup) -> SafeString:
        return text.status_classes({number: getattr(stats, f"status_{number}xx") for number in range(1, 6)})

    @display(description=_("Mean"))
    def mean(self, stats: Rollup) -> str:
        return text.milliseconds(stats.response_time_mean)

    @display(description=_("p95 (≈)"))
    def p95_shown(self, stats: Rollup) -> str:
        return text.milliseconds(stats.p95)

    @display(description=_("Clients (≈)"))
    def clients_cut(self, stats: Rollup) -> str:
        return text.count(round(stats.distinct_clients))

    @display(description=_("Shortest"))
    def fastest(self, stats: Rollup) -> str:
        return text.milliseconds(stats.response_time_min)

    @display(description=_("Longest"))
    def slowest(self, stats: Rollup) -> str:
        return text.milliseconds(stats.response_time_max)

    @display(description=_("Response times"))
    def quantiles(self, stats: Rollup) -> SafeString | str:
        latency = _summaries(stats)[0]
        if not latency.count:
            return "-"
        return format_html_join(
            "; ",
            "p{} {}",
            (
                (f"{found.rank * 100:g}", _bounded(found.value, found.lower, found.upper, latency.is_exact))
                for found in latency.quantiles(RANKS)
            ),
        )

    @display(description=_("Distinct clients"))
    def clients_shown(self, stats: Rollup) -> str:
        found = _summaries(stats)[1].estimate()
        if found.is_exact:
            return text.count(found.estimate)
        if found.is_lower_bound:
            return gettext("at least %(count)s") % {"count": text.count(found.estimate)}
        upper = "?" if found.upper is None else text.count(found.upper)
        return _estimate(text.count(found.estimate), text.count(found.lower), upper)

    @display(description=_("Sent"))
    def sent(self, stats: Rollup) -> str:
        return text.size(stats.response_bytes)


def _summaries(stats: Rollup) -> tuple[LatencySummary, ClientSummary]:
    from stats import summaries  # here: it loads numpy, which who shows no page can do without

    return summaries.read(bytes(stats.response_times), bytes(stats.clients))


def _bounded(value: float | None, lower: float | None, upper: float | None, is_exact: bool) -> str:
    if value is None or lower is None or upper is None:
        return "-"
    if is_exact:
        return text.milliseconds(value)
    return _estimate(*(text.milliseconds(one) for one in (value, lower, upper)))


def _estimate(value: str, lower: str, upper: str) -> str:
    return gettext("≈ %(value)s (%(lower)s to %(upper)s)") % {"value": value, "lower": lower, "upper": upper}


@admin.register(PathStatsHourly)
class PathStatsHourlyAdmin(RollupAdmin):
    """What each route did in each hour, newest hour first, busiest route first."""

    list_display = (
        *("hour_utc", "route_cut", "total", "failed", "classes"),
        *("mean", "p95_shown", "slowest", "clients_cut", "sent"),
    )
    fields = ("route_shown", "hour_utc", *FIGURES)
    export_columns = ("hour", *EXPORTED)
    ordering = ("-hour", "-requests")
    search_help_text = _("Time (UTC) or route")
    search_examples = (
        ("2025-11-23 12", _("A day or an hour (UTC).")),
        ("/api/users", _("Routes that begin so; also after a time.")),
    )
    empty_text = _("No hour has been counted yet. The first request through the gateway begins one.")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.route_view)
        return [path("route/", view, name="stats_route"), *super().get_urls()]

    def route_view(self, request: HttpRequest) -> HttpResponse:
        """The page of one route."""
        from stats.admin import route_page  # here: it loads numpy, as above

        return route_page.view(self.admin_site, request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        chosen = collector_instead.if_chosen(request)
        if chosen is not None:
            return chosen
        answer = super().changelist_view(request, extra_context)
        shown = getattr(answer, "context_data", None) or {}
        is_empty = "cl" in shown and not shown["cl"].result_list
        return (collector_instead.if_empty(request) if is_empty else None) or answer

    def on_period(self, period: Period) -> Q:
        return period.on_hours("hour")

    @display(description=_("Hour (UTC)"))
    def hour_utc(self, stats: PathStatsHourly) -> str:
        return text.hour(stats.hour)


@admin.register(PathStatsDaily)
class PathStatsDailyAdmin(RollupAdmin):
    """What each route did on each day that is over, newest day first, busiest route first."""

    list_display = (
        *("day_utc", "route_cut", "total", "failed", "classes"),
        *("mean", "p95_shown", "slowest", "clients_cut", "sent"),
    )
    fields = ("route_shown", "day_utc", *FIGURES)
    export_columns = ("day", *EXPORTED)
    ordering = ("-day", "-requests")
    search_help_text = _("Day (UTC) or route")
    search_examples = (
        ("2025-11-23", _("A day (UTC).")),
        ("/api/users", _("Routes that begin so; also after a day.")),
    )
    empty_text = _("No day is over yet, or none has been merged from its hours.")

    def on_period(self, period: Period) -> Q:
        return period.on_days("day")

    @display(description=_("Day (UTC)"))
    def day_utc(self, stats: PathStatsDaily) -> str:
        return text.day(stats.day)
