"""Admin page of the consumer."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway.admin import text
from stats.admin.band import QueuePage
from stats.models import ConsumerHeartbeat


@admin.register(ConsumerHeartbeat)
class ConsumerHeartbeatAdmin(QueuePage):
    """When the consumer last showed a sign of life, and what it has done."""

    list_display = ("name", "seen", "counted", "repeated", "buried", "breaker_shown", "error_cut")
    fields = (
        "name",
        "seen",
        "batches",
        "counted",
        "repeated",
        "buried",
        "breaker_shown",
        "breaker_error_shown",
        "next_probe",
    )
    empty_text = _("No consumer has run yet. script/server starts one, and so does manage.py qcluster.")

    @display(description=pgettext_lazy("of the consumer", "Last seen (UTC)"))
    def seen(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.utc(heartbeat.beat_at)

    @display(description=_("Events counted"))
    def counted(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.count(heartbeat.events)

    @display(description=_("Duplicates"))
    def repeated(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.count(heartbeat.duplicates)

    @display(description=_("Dead letters"))
    def buried(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.count(heartbeat.dead)

    @display(description=_("State"))
    def breaker_shown(self, heartbeat: ConsumerHeartbeat) -> SafeString:
        if heartbeat.paused_at:
            paused = {"since": text.utc(heartbeat.paused_at), "by": heartbeat.paused_by}
            return text.label(gettext("paused"), "warning", gettext("Since %(since)s by %(by)s") % paused)
        is_open = heartbeat.breaker == ConsumerHeartbeat.Breaker.OPEN
        breaker = gettext("breaker %(state)s") % {"state": heartbeat.get_breaker_display()}
        return text.label(breaker, "danger" if is_open else "success")

    @display(description=_("Breaker's error"))
    def error_cut(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.one_line(heartbeat.breaker_error)

    @display(description=_("Breaker's error"))
    def breaker_error_shown(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.block(heartbeat.breaker_error)

    @display(description=_("Next probe (UTC)"))
    def next_probe(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.utc(heartbeat.probe_at)
