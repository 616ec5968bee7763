"""Admin page of the batches that wait to be counted."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from gateway.admin.search import SearchError
from gateway.events import UndecodableEvent, fields_of, split_batch
from gateway.models import QueuedBatch

MAX_ID = 2**63 - 1
EVENTS_A_PAGE = 100


@admin.register(QueuedBatch)
class QueuedBatchAdmin(ReadOnlyAdmin):
    """What waits to be counted."""

    list_display: tuple[str, ...] = ("number", "entered", "size", "attempts", "next_attempt", "kind", "error")
    list_deferred: ClassVar = ("payload",)
    fields: tuple[str, ...] = (
        "number",
        "kind",
        "entered",
        "size",
        "attempts",
        "next_attempt",
        "claim",
        "full_error",
        "raw",
    )
    change_form_outer_after_template = "gateway/batch_events.html"
    search_fields = ("pk",)
    search_help_text = _("Batch number")
    search_examples = (("1204", _("The batch with this number.")),)
    empty_text = _("The queue is empty: every event that was sent has been counted.")

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: QueuedBatch | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= _page(obj, request.GET.get("events", "1"))
        return super().render_change_form(request, context, add, change, form_url, obj)

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        number = term.removeprefix("#")
        if not (number.isascii() and number.isdigit() and len(number) < 20 and int(number) <= MAX_ID):
            raise SearchError(gettext("Batches can be searched by their number only."))
        return rows.filter(pk=int(number))

    @display(description=_("Batch"))
    def number(self, batch: QueuedBatch) -> str:
        return f"#{batch.pk}"

    @display(description=_("Entered (UTC)"))
    def entered(self, batch: QueuedBatch) -> str:
        return text.utc(batch.created_at)

    @display(description=_("Events"))
    def size(self, batch: QueuedBatch) -> str:
        return text.count(batch.events)

    @display(description=_("Deliveries"))
    def attempts(self, batch: QueuedBatch) -> str:
        return gettext("%(count)s of %(most)s") % {"count": batch.deliveries, "most": batch.max_deliveries}

    @display(description=_("Next attempt (UTC)"))
    def next_attempt(self, batch: QueuedBatch) -> str:
        return text.utc(batch.visible_at)

    @display(description=_("Kind"))
    def kind(self, batch: QueuedBatch) -> SafeString:
        if batch.origin is not None:
            return text.label(gettext("part of #%(number)s") % {"number": batch.origin}, "warning")
        if batch.deliveries:
            return text.label(gettext("retry") if batch.last_error else gettext("delivered"), "info")
        return text.label(gettext("new"))

    @display(description=_("Last error"))
    def error(self, batch: QueuedBatch) -> str:
        return text.one_line(batch.last_error)

    @display(description=_("Last error"))
    def full_error(self, batch: QueuedBatch) -> str:
        return text.block(batch.last_error)

    @display(description=_("As received"))
    def raw(self, batch: QueuedBatch) -> str:
        return text.json_block(batch.payload)


def _page(batch: QueuedBatch, number: str) -> dict[str, Any]:
    """For `gateway/batch_events.html`: one page of its events, or why there is none."""
    try:
        events = split_batch(batch.payload)
    except UndecodableEvent as error:
        return {"unreadable": text.whole(str(error))}
    page = Paginator(events, EVENTS_A_PAGE).get_page(number)
    return {"page": page, "rows": [_row(event) for event in page.object_list]}


def _row(event: bytes) -> dict[str, object]:
    """An event's cells; an event may hold anything at all, so nothing is relied on."""
    fields = fields_of(event)
    if fields is None:
        return {"unreadable": text.one_line(event.decode("utf-8", "backslashreplace"))}
    status = fields.get("status")
    return {
        "id": text.code(str(fields.get("idempotent_id", ""))),
        "method": text.one_line(str(fields.get("method", ""))),
        "path": text.one_line(str(fields.get("path", ""))),
        "status": text.status_label(status) if isinstance(status, int) else str(status),
        "time": fields.get("response_time", "-"),
    }
