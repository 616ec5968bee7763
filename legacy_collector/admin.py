"""Admin pages of the old collector, in whatever database it has."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway.admin import search, text
from gateway.admin.readonly import ReadOnlyAdmin
from gateway.admin.search import SearchError
from legacy_collector.models import CollectedEvent, CollectedHourly

REASON_KINDS = {"fallback": "warning", "legacy": "info", "dual": "info", "sample": ""}


class ReplayFilter(admin.SimpleListFilter):
    """Only the one choice that has an index of its own."""

    title = _("replay")
    parameter_name = "replay"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("pending", gettext("to be replayed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(replay_pending=True) if self.value() == "pending" else queryset


@admin.register(CollectedEvent)
class CollectedEventAdmin(ReadOnlyAdmin):
    """What the collector took over, newest first."""

    list_display = ("time", "id_shown", "route_cut", "status_shown", "reasons_shown", "replay", "collected")
    list_filter = (ReplayFilter,)
    list_deferred: ClassVar = ("payload",)
    fields = (
        "id_shown",
        "time",
        "route_shown",
        "status_shown",
        "reasons_shown",
        "replay",
        "replayed",
        "collected",
        "payload_shown",
    )
    search_fields = ("pk",)
    search_help_text = _("Id or time (UTC)")
    search_examples = (
        ("1763900000000-5d29ab01", _("One event by its id, or some by how their ids begin.")),
        ("2025-11-23 12:13", _("A day, hour, minute or second (UTC).")),
    )
    empty_text = _("The collector holds nothing: the queue took every event, and no mode sends events here.")

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        query = search.parse(term)
        if query.text:
            raise SearchError(gettext("Collected events can be searched by id or time only."))
        return rows.filter(query.on_ids("idempotent_id"))

    @display(description=_("Id"))
    def id_shown(self, event: CollectedEvent) -> str:
        return text.code(event.idempotent_id)

    @display(description=_("Time (UTC)"))
    def time(self, event: CollectedEvent) -> str:
        return text.utc_of_id(event.idempotent_id)

    @display(description=_("Route"))
    def route_cut(self, event: CollectedEvent) -> str:
        return text.one_line(event.route)

    @display(description=_("Route"))
    def route_shown(self, event: CollectedEvent) -> str:
        return text.whole(event.route)

    @display(description=_("Status"))
    def status_shown(self, event: CollectedEvent) -> SafeString:
        return text.status_label(event.status)

    @display(description=_("Reasons"))
    def reasons_shown(self, event: CollectedEvent) -> SafeString:
        names = event.reason_names
        return format_html_join(
            " ", "{}", ((text.label(name, REASON_KINDS.get(name, "")),) for name in names)
        )

    @display(description=_("Replay"))
    def replay(self, event: CollectedEvent) -> SafeString | str:
        if event.replay_pending:
            return text.label(gettext("waiting"), "warning")
        return text.label(gettext("done"), "success") if event.replayed_at else "-"

    @display(description=_("Replayed (UTC)"))
    def replayed(self, event: CollectedEvent) -> str:
        return text.utc(event.replayed_at)

    @display(description=_("Collected (UTC)"))
    def collected(self, event: CollectedEvent) -> str:
        return text.utc(event.collected_at)

    @display(description=_("Payload"))
    def payload_shown(self, event: CollectedEvent) -> SafeString | str:
        return text.json_block(event.payload)


@admin.register(CollectedHourly)
class CollectedHourlyAdmin(ReadOnlyAdmin):
    """The collector's own counts, newest hour first."""

    list_display = ("hour_utc", "route_cut", "total", "failed")
    fields = ("route_shown", "hour_utc", "total", "failed")
    ordering = ("-hour", "-requests")
    search_fields = ("pk",)
    search_help_text = _("Time (UTC) or whole route")
    search_examples = (
        ("2025-11-23 12", _("A day or an hour (UTC).")),
        ("/api/users", _("The route with exactly this name; also after a time.")),
    )
    empty_text = _("The collector has counted nothing.")

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        query = search.parse(term)
        hours = query.period.on_hours("hour") if query.period else Q()
        # Not by its beginning: whether an index answers that depends on the collector's database.
        return rows.filter(hours, Q(route=query.text) if query.text else Q())

    @display(description=_("Hour (UTC)"))
    def hour_utc(self, counts: CollectedHourly) -> str:
        return text.hour(counts.hour)

    @display(description=_("Route"))
    def route_cut(self, counts: CollectedHourly) -> str:
        return text.one_line(counts.route)

    @display(description=_("Route"))
    def route_shown(self, counts: CollectedHourly) -> str:
        return text.whole(counts.route)

    @display(description=_("Requests"))
    def total(self, counts: CollectedHourly) -> str:
        return text.count(counts.requests)

    @display(description=_("Errors"))
    def failed(self, counts: CollectedHourly) -> str:
        return text.share(counts.errors, counts.requests)
