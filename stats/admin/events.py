"""Admin page of events."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.utils.safestring import SafeString
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

    list_display = ("time", "method", "path_cut", "route_cut", "status_shown", "took", "sent", "client")
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
    search_help_text = "Id, time (UTC) or route"
    search_examples = (
        ("1763900000000-5d29ab01", "One event by its id, or some by how their ids begin."),
        ("2025-11-23 12:13", "A day, hour, minute or second (UTC)."),
        ("/api/users", "Routes that begin so; also after a time."),
        (
            "2025-11-23 12 status:500",
            "Within an hour at most also path:, client:, request:, method: and status:.",
        ),
    )
    empty_text = (
        "No requests have been counted yet. A request through the gateway appears here within a second."
    )

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        query = search.parse(term, FIELDS)
        return rows.filter(query.on_ids("idempotent_id"), _on_fields(query), _on_route(query))

    @display(description="Time (UTC)")
    def time(self, event: Event) -> str:
        return text.utc(event.timestamp)

    @display(description="Time")
    def time_utc(self, event: Event) -> str:
        return f"{text.utc(event.timestamp)} UTC"

    @display(description="Id")
    def id_shown(self, event: Event) -> str:
        return text.code(event.idempotent_id)

    @display(description="Method")
    def method(self, event: Event) -> str:
        return text.one_line(event.method)

    @display(description="Path")
    def path_cut(self, event: Event) -> str:
        return text.one_line(event.path)

    @display(description="Route")
    def route_cut(self, event: Event) -> str:
        return text.one_line(event.route)

    @display(description="Status")
    def status_shown(self, event: Event) -> SafeString:
        return text.status_label(event.status)

    @display(description="Took")
    def took(self, event: Event) -> str:
        return text.milliseconds(event.response_time)

    @display(description="Sent")
    def sent(self, event: Event) -> str:
        return text.size(event.response_bytes)

    @display(description="Client")
    def client(self, event: Event) -> str:
        return text.code(event.client_ip_hash)

    @display(description="Method")
    def method_shown(self, event: Event) -> str:
        return text.whole(event.method)

    @display(description="Path")
    def path_shown(self, event: Event) -> str:
        return text.whole(event.path)

    @display(description="Route")
    def route_shown(self, event: Event) -> str:
        return text.whole(event.route)

    @display(description="Country")
    def country_shown(self, event: Event) -> str:
        return text.whole(event.country)

    @display(description="Request id")
    def request_shown(self, event: Event) -> str:
        return text.whole(event.request_id)

    @display(description="Host")
    def host_shown(self, event: Event) -> str:
        return text.whole(event.host)

    @display(description="User agent")
    def agent_shown(self, event: Event) -> str:
        return text.whole(event.user_agent)


def _on_fields(query: Query) -> Q:
    if not query.fields:
        return Q()
    if query.period is None or query.period.length > HOUR:
        names = ", ".join(f"{name}:" for name in query.fields)
        raise SearchError(f"{names} can be searched only together with an hour, such as 2025-11-23 12.")
    conditions: dict[str, object] = {FIELDS[name]: value for name, value in query.fields.items()}
    if "status" in conditions:
        conditions["status"] = _status(query.fields["status"])
    return Q(**conditions)


def _status(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) == 3):
        raise SearchError(f"status:{text} is no status; an example is status:404.")
    return int(text)


def _on_route(query: Query) -> Q:
    # LIKE 'x%' on a column with collation "C" is a range of the index.
    return Q(route__startswith=query.text) if query.text else Q()
