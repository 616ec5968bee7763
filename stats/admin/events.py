"""Admin page of events."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway.admin import search, text
from gateway.admin.export import ExportAdmin
from gateway.admin.search import HOUR, Query, SearchError
from stats.models import Event

# Columns without an index: searched only where an hour at most has to be read.
FIELDS = {
    "path": "path",
    "client": "client_ip_hash",
    "request": "request_id",
    "method": "method",
    "status": "status",
}


@admin.register(Event)
class EventAdmin(ExportAdmin):
    """Every request that was counted, newest first."""

    list_display = ("time", "method_cut", "path_cut", "route_cut", "status_shown", "took", "sent", "client")
    list_deferred: ClassVar = ("user_agent", "host", "request_id", "country")
    fields = (
        "id_shown",
        "time_utc",
        "method_shown",
        "path_shown",
        "route_shown",
        "status_shown",
        "took",
        "sent",
        "client",
        "country_shown",
        "request_shown",
        "host_shown",
        "agent_shown",
    )
    export_columns = (
        *(
            "idempotent_id",
            "timestamp",
            "method",
            "path",
            "route",
            "status",
            "response_time",
            "response_bytes",
        ),
        *("client_ip_hash", "country", "request_id", "host", "user_agent"),
    )
    search_fields = ("pk",)
    search_help_text = _("Id, time (UTC) or route")
    search_examples = (
        ("1763900000000-5d29ab01", _("One event by its id, or some by how their ids begin.")),
        ("2025-11-23 12:13", _("A day, hour, minute or second (UTC).")),
        ("/api/users", _("Routes that begin so; also after a time.")),
        (
            "2025-11-23 12 status:500",
            _("Within an hour at most also path:, client:, request:, method: and status:."),
        ),
    )
    empty_text = _(
        "No requests have been counted yet. A request through the gateway appears here within a second."
    )

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        query = search.parse(term, FIELDS)
        return rows.filter(query.on_ids("idempotent_id"), _on_fields(query), _on_route(query))

    @display(description=_("Time (UTC)"))
    def time(self, event: Event) -> str:
        return text.utc(event.timestamp)

    @display(description=_("Time"))
    def time_utc(self, event: Event) -> str:
        return f"{text.utc(event.timestamp)} UTC"

    @display(description=_("Id"))
    def id_shown(self, event: Event) -> str:
        return text.code(event.idempotent_id)

    @display(description=_("Method"))
    def method_cut(self, event: Event) -> str:
        return text.one_line(event.method)

    @display(description=_("Path"))
    def path_cut(self, event: Event) -> str:
        return text.one_line(event.path)

    @display(description=_("Route"))
    def route_cut(self, event: Event) -> str:
        return text.one_line(event.route)

    @display(description=_("Status"))
    def status_shown(self, event: Event) -> SafeString:
        return text.status_label(event.status)

    @display(description=_("Took"))
    def took(self, event: Event) -> str:
        return text.milliseconds(event.response_time)

    @display(description=_("Sent"))
    def sent(self, event: Event) -> str:
        return text.size(event.response_bytes)

    @display(description=_("Client"))
    def client(self, event: Event) -> str:
        return text.code(event.client_ip_hash)

    @display(description=_("Method"))
    def method_shown(self, event: Event) -> str:
        return text.whole(event.method)

    @display(description=_("Path"))
    def path_shown(self, event: Event) -> str:
        return text.whole(event.path)

    @display(description=_("Route"))
    def route_shown(self, event: Event) -> str:
        return text.whole(event.route)

    @display(description=_("Country"))
    def country_shown(self, event: Event) -> str:
        return text.whole(event.country)

    @display(description=_("Request id"))
    def request_shown(self, event: Event) -> str:
        return text.whole(event.request_id)

    @display(description=_("Host"))
    def host_shown(self, event: Event) -> str:
        return text.whole(event.host)

    @display(description=_("User agent"))
    def agent_shown(self, event: Event) -> str:
        return text.whole(event.user_agent)


def _on_fields(query: Query) -> Q:
    if not query.fields:
        return Q()
    if query.period is None or query.period.length > HOUR:
        names = ", ".join(f"{name}:" for name in query.fields)
        refusal = gettext("%(fields)s can be searched only together with an hour, such as 2025-11-23 12.")
        raise SearchError(refusal % {"fields": names})
    conditions: dict[str, object] = {FIELDS[name]: value for name, value in query.fields.items()}
    if "status" in conditions:
        conditions["status"] = _status(query.fields["status"])
    return Q(**conditions)


def _status(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) == 3):
        refusal = gettext("status:%(status)s is no status; an example is status:404.")
        raise SearchError(refusal % {"status": text})
    return int(text)


def _on_route(query: Query) -> Q:
    # LIKE 'x%' on a column with collation "C" is a range of the index.
    return Q(route__startswith=query.text) if query.text else Q()
