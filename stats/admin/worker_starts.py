"""Admin page of the worker's starts."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway.admin import text
from gateway.starts import Cause
from stats.admin.band import QueuePage
from stats.models import WorkerStart

KINDS: dict[str, str] = {
    Cause.STARTED: "success",
    Cause.RECYCLED: "info",
    Cause.ENDED: "danger",
    Cause.RESTARTED: "warning",
}


@admin.register(WorkerStart)
class WorkerStartAdmin(QueuePage):
    """When a worker process was started and why, newest first."""

    list_display = ("started", "cause_shown", "reason_cut", "host_cut", "pid")
    fields = ("started", "cause_shown", "reason_shown", "host_shown", "pid")
    empty_text = _(
        "No worker has been started yet. script/server starts one, and so does manage.py qcluster."
    )

    @display(description=_("Started (UTC)"))
    def started(self, start: WorkerStart) -> str:
        return text.utc(start.started_at)

    @display(description=_("Why"))
    def cause_shown(self, start: WorkerStart) -> SafeString:
        return text.label(start.get_cause_display(), KINDS.get(start.cause, ""))

    @display(description=_("What was wrong before"))
    def reason_cut(self, start: WorkerStart) -> str:
        return text.one_line(start.reason)

    @display(description=_("What was wrong before"))
    def reason_shown(self, start: WorkerStart) -> str:
        return text.whole(start.reason)

    @display(description=_("Host"))
    def host_cut(self, start: WorkerStart) -> str:
        return text.one_line(start.host)

    @display(description=_("Host"))
    def host_shown(self, start: WorkerStart) -> str:
        return text.whole(start.host)
