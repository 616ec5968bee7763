"""Admin pages of repairs: what was asked for, how far it is, and an end to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, cast

import msgspec
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.forms import Script
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy
from unfold.decorators import display

from gateway.admin import text
from stats import repairs
from stats.admin.band import QueuePage
from stats.models import Repair
from stats.repairs import Kind, NotUndoable, UnknownKind

STATE_KINDS = {"waiting": "warning", "running": "info", "done": "success", "failed": "danger"}
STALLED = timedelta(seconds=30)  # without a chunk


@admin.register(Repair)
class RepairAdmin(QueuePage):
    """What people asked for, newest first; who may ask for a kind may end and undo it."""

    list_display = ("number", "asked", "kind_shown", "state_shown", "progress", "who", "why")
    list_filter = ("state",)
    list_deferred: ClassVar = ("parameters", "cursor")
    fields = (
        *("number", "kind_shown", "asked", "who", "note_shown", "parameters_shown"),
        *("started", "finished"),
    )
    change_form_outer_before_template = "stats/repair_progress.html"
    keeps_history = True
    empty_text = cast(
        "str",
        gettext_lazy("Nobody has asked for a repair. What is done with many dead letters at once is one."),
    )

    class Media:
        css = {"all": ["stats/letters.css"]}
        js = (Script("stats/watched.js", defer=True),)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        if request.user.has_perm("stats.view_repair"):
            return True
        # Of the kinds that one may ask for, the page that one is led to; not the list of all.
        return isinstance(obj, Repair) and _may(request, obj)

    # --- what can be done ------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        views = (("cancel", self.cancel_view), ("undo", self.undo_view))
        own = [
            path(f"<int:object_id>/{name}/", self.admin_site.admin_view(view), name=f"stats_repair_{name}")
            for name, view in views
        ]
        return [*own, *super().get_urls()]

    def cancel_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """POST only, as all that changes something."""
        repair = _posted(request, object_id)
        if repair is None:
            return HttpResponseNotAllowed(["POST"])
        if repairs.cancel(repair, by=request.user.get_username()):
            messages.success(request, gettext("Cancelled: what is done stays done."))
        else:
            messages.warning(request, gettext("It had ended already."))
        return redirect("admin:stats_repair_change", repair.pk)

    def undo_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Asks for the repair that takes this one back, and shows that one."""
        repair = _posted(request, object_id)
        if repair is None:
            return HttpResponseNotAllowed(["POST"])
        try:
            repair = repairs.undo(repair, by=request.user.get_username())
        except NotUndoable:
            messages.warning(request, gettext("It can be undone only within a minute of its end."))
        return redirect("admin:stats_repair_change", repair.pk)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        may = _may(request, obj)
        context |= {
            "repair": obj,
            "state_label": self.state_shown(obj),
            "done": text.count(obj.done),
            "total": None if obj.total is None else text.count(obj.total),
            "left": text.count(obj.failed) if obj.failed else "",
            "error": text.whole(obj.error) if obj.error else "",
            "is_stalled": _is_stalled(obj),
            "may_cancel": may and not obj.is_finished,
            "may_undo": may and _kind(obj) is not None and repairs.may_be_undone(obj),
        }
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)

    # --- columns and fields ----------------------------------------------------------------------------

    @display(description=gettext_lazy("Repair"))
    def number(self, repair: Repair) -> str:
        return f"#{repair.pk}"

    @display(description=gettext_lazy("Asked for (UTC)"))
    def asked(self, repair: Repair) -> str:
        return text.utc(repair.asked_at)

    @display(description=gettext_lazy("What"))
    def kind_shown(self, repair: Repair) -> str:
        kind = _kind(repair)
        return str(kind.title) if kind else repair.kind

    @display(description=gettext_lazy("State"))
    def state_shown(self, repair: Repair) -> SafeString:
        return text.label(repair.get_state_display(), STATE_KINDS.get(repair.state, ""))

    @display(description=gettext_lazy("Done"))
    def progress(self, repair: Repair) -> str:
        if repair.total is None:
            return text.count(repair.done)
        parts = {"done": text.count(repair.done), "total": text.count(repair.total)}
        return gettext("%(done)s of %(total)s") % parts

    @display(description=gettext_lazy("By"))
    def who(self, repair: Repair) -> str:
        return text.whole(repair.by)

    @display(description=gettext_lazy("Note"))
    def why(self, repair: Repair) -> str:
        return text.one_line(repair.note)

    @display(description=gettext_lazy("Note"))
    def note_shown(self, repair: Repair) -> str:
        return text.whole(repair.note)

    @display(description=gettext_lazy("To what"))
    def parameters_shown(self, repair: Repair) -> str:
        return text.json_block(msgspec.json.encode(repair.parameters).decode())

    @display(description=gettext_lazy("Started (UTC)"))
    def started(self, repair: Repair) -> str:
        return text.utc(repair.started_at)

    @display(description=gettext_lazy("Ended (UTC)"))
    def finished(self, repair: Repair) -> str:
        return text.utc(repair.finished_at)


def _kind(repair: Repair) -> Kind | None:
    """None for a kind of another version."""
    try:
        return repairs.find(repair.kind)
    except UnknownKind:
        return None


def _may(request: HttpRequest, repair: Repair) -> bool:
    kind = _kind(repair)
    return kind is not None and bool(request.user.has_perm(kind.permission))


def _posted(request: HttpRequest, object_id: int) -> Repair | None:
    """The repair that is to be changed; None if that was not POSTed. Raises Http404, PermissionDenied."""
    if request.method != "POST":
        return None
    repair = get_object_or_404(Repair, pk=object_id)
    if not _may(request, repair):
        raise PermissionDenied
    return repair


def _is_stalled(repair: Repair) -> bool:
    since = repair.moved_at or repair.asked_at
    return not repair.is_finished and timezone.now() - since > STALLED
