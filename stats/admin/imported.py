"""Admin page of what was imported: the past that a legacy collector had counted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway.admin import search, text
from gateway.admin.readonly import ReadOnlyAdmin
from stats.models import ImportedHourly, TotalsHourly


@admin.register(ImportedHourly)
class ImportedHourlyAdmin(ReadOnlyAdmin):
    """Imported counts of each route and hour, newest hour first, busiest route first."""

    list_display = ("hour_utc", "route_cut", "total", "failed", "source_cut", "state")
    fields = (
        *("route_shown", "hour_utc", "total", "failed", "source_shown"),
        *("state", "imported", "superseded"),
    )
    ordering = ("-hour", "-requests")
    search_fields = ("pk",)
    search_help_text = _("Time (UTC) or route")
    search_examples = (
        ("2025-11-23 12", _("A day or an hour (UTC).")),
        ("/api/users", _("Routes that begin so; also after a time.")),
    )
    empty_text = _("Nothing has been imported. manage.py import_legacy_counts does it.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        counted = TotalsHourly.objects.filter(hour=OuterRef("hour"))
        return super().get_queryset(request).annotate(has_events=Exists(counted))

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        query = search.parse(term)
        hours = query.period.on_hours("hour") if query.period else Q()
        # LIKE 'x%' on a column with collation "C" is a range of the index.
        return rows.filter(hours, Q(route__startswith=query.text) if query.text else Q())

    @display(description=_("Hour (UTC)"))
    def hour_utc(self, row: ImportedHourly) -> str:
        return text.hour(row.hour)

    @display(description=_("Route"))
    def route_cut(self, row: ImportedHourly) -> str:
        return text.one_line(row.route)

    @display(description=_("Route"))
    def route_shown(self, row: ImportedHourly) -> str:
        return text.whole(row.route)

    @display(description=_("Requests"))
    def total(self, row: ImportedHourly) -> str:
        return text.count(row.requests)

    @display(description=_("Errors"))
    def failed(self, row: ImportedHourly) -> str:
        return text.share(row.errors, row.requests)

    @display(description=_("Source"))
    def source_cut(self, row: ImportedHourly) -> str:
        return text.one_line(row.source)

    @display(description=_("Source"))
    def source_shown(self, row: ImportedHourly) -> str:
        return text.whole(row.source)

    @display(description=_("State"))
    def state(self, row: Any) -> SafeString:
        if row.superseded_at or row.has_events:
            told = gettext("The queue path has this hour: its own rows count")
            return text.label(gettext("superseded by events"), "", told)
        return text.label(gettext("counts"), "success", gettext("The queue path has nothing of this hour"))

    @display(description=_("Imported (UTC)"))
    def imported(self, row: ImportedHourly) -> str:
        return text.utc(row.imported_at)

    @display(description=_("Superseded for good (UTC)"))
    def superseded(self, row: ImportedHourly) -> str:
        return text.utc(row.superseded_at)
