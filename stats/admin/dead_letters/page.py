"""The list of dead letters, and the page of one."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy

from gateway.admin.export import ExportAdmin
from gateway.admin.search import SearchError
from stats.admin.band import QueuePage
from stats.admin.dead_letters import bulk, rights
from stats.admin.dead_letters.bulk import BulkViews
from stats.admin.dead_letters.columns import LetterColumns
from stats.admin.dead_letters.editing import EditingViews
from stats.admin.dead_letters.groups import GroupViews
from stats.admin.dead_letters.settling import Settling
from stats.models import DeadLetter

BADGE_CAP = 99
NARROWING = {"reason__exact", "state__exact", "route", "q", "p"}  # what a filter of all that match can say


def badge(request: HttpRequest) -> str:
    """How many are dead, for the sidebar; empty for none."""
    found = DeadLetter.objects.filter(state=DeadLetter.State.DEAD)[: BADGE_CAP + 1].count()
    return f"{BADGE_CAP}+" if found > BADGE_CAP else str(found or "")


class RouteFilter(admin.SimpleListFilter):
    """Shown where a group led to the list: routes are too many to offer them all."""

    title = gettext_lazy("route")
    parameter_name = "route"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        if self.parameter_name not in request.GET:
            return []
        route = request.GET[self.parameter_name]
        return [(route, route or str(gettext_lazy("can't be read")))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset if self.value() is None else queryset.filter(route=self.value())


@admin.register(DeadLetter)
class DeadLetterAdmin(Settling, BulkViews, EditingViews, GroupViews, LetterColumns, ExportAdmin, QueuePage):
    """What could not be counted, newest first."""

    list_filter = ("state", "reason", RouteFilter)
    keeps_history = True
    export_columns = (
        *("id", "state", "reason", "route", "event_id", "deliveries", "first_failed_at", "last_failed_at"),
        *("settled_at", "settled_by", "note", "error", "payload"),
    )
    search_fields = ("pk",)
    search_help_text = gettext_lazy("Number, event id or time (UTC)")
    search_examples = (
        ("#12", gettext_lazy("The dead letter with this number.")),
        ("1763900000000-5d29ab01", gettext_lazy("An event's id, or how it begins.")),
        ("2025-11-23 12:13", gettext_lazy("The event's day, hour, minute or second (UTC).")),
    )
    empty_text = gettext_lazy("No dead letters: everything that was received could be counted.")

    class Media:
        css = {"all": ["stats/letters.css"]}

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        return bulk.of_term(term).apply(rows)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {**(extra_context or {}), **_offers(request)})


def _offers(request: HttpRequest) -> dict[str, str]:
    """The pages that do it with all that match, where the list is narrowed to what such a page can say."""
    query = bulk.query_of_list(request)
    try:
        bulk.chosen(query)
    except SearchError:
        return {}
    if not set(request.GET) <= NARROWING:
        return {}
    return {
        f"{verb}_all": bulk.address(verb, query) for verb in bulk.TITLES if rights.may(request, f"{verb} all")
    }
