"""Admin page of hourly statistics."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.utils.safestring import SafeString
from unfold.decorators import display

from gateway.admin import search, text
from gateway.admin.readonly import ReadOnlyAdmin
from stats.models import PathStatsHourly


@admin.register(PathStatsHourly)
class PathStatsHourlyAdmin(ReadOnlyAdmin):
    """What each route did in each hour, newest hour first, busiest route first."""

    list_display = ("hour_utc", "route_cut", "total", "failed", "classes", "mean", "slowest", "sent")
    fields = (
        "route_shown",
        "hour_utc",
        "total",
        "failed",
        "status_1xx",
        "status_2xx",
        "status_3xx",
        "status_4xx",
        "status_5xx",
        "mean",
        "fastest",
        "slowest",
        "sent",
    )
    ordering = ("-hour", "-requests")
    search_fields = ("pk",)
    search_help_text = "Time (UTC) or route"
    search_examples = (
        ("2025-11-23 12", "A day or an hour (UTC)."),
        ("/api/users", "Routes that begin so; also after a time."),
    )
    empty_text = "No hour has been counted yet. The first request through the gateway begins one."

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        query = search.parse(term)
        hours = query.period.on_hours("hour") if query.period else Q()
        # LIKE 'x%' on a column with collation "C" is a range of the index.
        return rows.filter(hours, Q(route__startswith=query.text) if query.text else Q())

    @display(description="Hour (UTC)")
    def hour_utc(self, stats: PathStatsHourly) -> str:
        return text.hour(stats.hour)

    @display(description="Route")
    def route_cut(self, stats: PathStatsHourly) -> str:
        return text.one_line(stats.route)

    @display(description="Route")
    def route_shown(self, stats: PathStatsHourly) -> str:
        return text.whole(stats.route)

    @display(description="Requests")
    def total(self, stats: PathStatsHourly) -> str:
        return text.count(stats.requests)

    @display(description="Errors")
    def failed(self, stats: PathStatsHourly) -> str:
        return text.share(stats.errors, stats.requests)

    @display(description="By status")
    def classes(self, stats: PathStatsHourly) -> SafeString:
        return text.status_classes({number: getattr(stats, f"status_{number}xx") for number in range(1, 6)})

    @display(description="Mean")
    def mean(self, stats: PathStatsHourly) -> str:
        return text.milliseconds(stats.response_time_mean)

    @display(description="Shortest")
    def fastest(self, stats: PathStatsHourly) -> str:
        return text.milliseconds(stats.response_time_min)

    @display(description="Longest")
    def slowest(self, stats: PathStatsHourly) -> str:
        return text.milliseconds(stats.response_time_max)

    @display(description="Sent")
    def sent(self, stats: PathStatsHourly) -> str:
        return text.size(stats.response_bytes)
