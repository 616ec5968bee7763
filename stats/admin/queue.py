"""The queue as a place to repair: what waits and why, and what a person may do about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.db.models import (
    BooleanField,
    Case,
    CharField,
    ExpressionWrapper,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Coalesce, Now
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from gateway import queue
from gateway.admin import text
from gateway.admin.queue import QueuedBatchAdmin
from gateway.conf import conf
from gateway.models import QueuedBatch
from stats import heartbeat
from stats.admin import queue_actions, queue_chosen, queue_forms, queue_summary
from stats.admin.actions import allowed, may
from stats.admin.band import QueuePage
from stats.admin.queue_filters import EnteredFilter, KindFilter
from stats.admin.queue_views import Views
from stats.models import ConsumerHeartbeat

if admin.site.is_registered(QueuedBatch):
    admin.site.unregister(QueuedBatch)


# What holds up a batch that is due.
_IS_PAUSED = When(paused_at__isnull=False, then=Value("paused"))
_IS_BROKEN = When(breaker=ConsumerHeartbeat.Breaker.OPEN, then=Value("breaker"))
_IS_SILENT = When(beat_at__lt=Now() - timedelta(seconds=heartbeat.STALE_SECONDS), then=Value("silent"))
_OBSTACLE = Case(_IS_PAUSED, _IS_BROKEN, _IS_SILENT, default=Value(""), output_field=CharField())
_IS_DUE = ExpressionWrapper(Q(visible_at__lte=Now()), output_field=BooleanField())

WAITS_FOR = {
    "": (_("its turn"), "info"),
    "paused": (_("the paused consumer"), "warning"),
    "breaker": (_("the open breaker"), "danger"),
    "silent": (_("a consumer: none shows a sign of life"), "danger"),
}


@admin.register(QueuedBatch)
class RepairableQueueAdmin(QueuePage, QueuedBatchAdmin):
    """What waits to be counted, and what may be done about it."""

    list_display = ("number", "waits_for", "entered", "size", "attempts", "next_attempt", "kind", "error")
    list_filter = (KindFilter, EnteredFilter)
    fields = ("number", "waits_for", *QueuedBatchAdmin.fields[1:])
    actions: ClassVar[Any] = ("deliver_selected", "move_selected")
    list_before_template = "stats/queue/summary.html"
    list_after_template = "stats/queue/purges.html"
    change_form_outer_before_template = "stats/queue/batch_actions.html"
    keeps_history = True

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        beat = ConsumerHeartbeat.objects.filter(name=conf.queue.name).values(state=_OBSTACLE)
        obstacle = Coalesce(Subquery(beat), Value("silent"))
        return super().get_queryset(request).annotate(is_due=_IS_DUE, obstacle=obstacle)

    def get_urls(self) -> list[URLPattern]:
        return [*Views(self).urls(), *super().get_urls()]

    # --- above the list, and on the page of a batch ----------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**queue_summary.context(request), "matching": urlencode(narrowed(request))}
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def detail_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().detail_context(request), "may": allowed(request)}

    @display(description=_("Waits for"))
    def waits_for(self, batch: Any) -> SafeString:
        if not batch.is_due:
            if batch.claim:
                return text.label(gettext("nothing: it is being counted"), "success")
            # Put off by its events' clock, or held back by a redrive, it has not been delivered yet.
            return text.label(gettext("its next attempt") if batch.deliveries else gettext("its time"))
        words, kind = WAITS_FOR[batch.obstacle]
        return text.label(words, kind)

    # --- of a selection --------------------------------------------------------------------------------

    def has_deliver_permission(self, request: HttpRequest, obj: QueuedBatch | None = None) -> bool:
        """The page is read-only for everybody; this is about the action."""
        return may(request, "deliver")

    def has_move_permission(self, request: HttpRequest, obj: QueuedBatch | None = None) -> bool:
        return may(request, "move")

    @action(description=_("Deliver now"), permissions=["deliver"])
    def deliver_selected(self, request: HttpRequest, batches: QuerySet[QueuedBatch]) -> None:
        if _is_across(request):
            queue_actions.deliver(request, queue_chosen.chosen(request))
        else:
            queue_actions.deliver(request, queue.Selection(ids=_ids(batches)))

    @action(description=_("Move to the dead letters…"), permissions=["move"])
    def move_selected(self, request: HttpRequest, batches: QuerySet[QueuedBatch]) -> HttpResponse:
        chosen = narrowed(request) if _is_across(request) else {"ids": ",".join(map(str, _ids(batches)))}
        return redirect(f"{reverse('admin:gateway_queuedbatch_moving')}?{urlencode(chosen)}")


def _is_across(request: HttpRequest) -> bool:
    """Whether all that the filters find is meant. A search finds one batch."""
    return request.POST.get("select_across") == "1" and not request.GET.get("q")


def _ids(batches: QuerySet[QueuedBatch]) -> tuple[int, ...]:
    return tuple(batches.order_by("pk").values_list("pk", flat=True)[: queue_forms.AT_ONCE])


def narrowed(request: HttpRequest) -> dict[str, str]:
    """The filters of the list, as the pages that move and purge take them."""
    return {name: request.GET[name] for name in ("kind", "entered") if request.GET.get(name)}
