"""Admin page of the consumer."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
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
    empty_text = "No consumer has run yet. script/server starts one, and so does manage.py qcluster."

    @display(description="Last seen (UTC)")
    def seen(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.utc(heartbeat.beat_at)

    @display(description="Events counted")
    def counted(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.count(heartbeat.events)

    @display(description="Duplicates")
    def repeated(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.count(heartbeat.duplicates)

    @display(description="Dead letters")
    def buried(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.count(heartbeat.dead)

    @display(description="State")
    def breaker_shown(self, heartbeat: ConsumerHeartbeat) -> SafeString:
        if heartbeat.paused_at:
            return text.label(
                "paused", "warning", f"Since {text.utc(heartbeat.paused_at)} by {heartbeat.paused_by}"
            )
        is_open = heartbeat.breaker == ConsumerHeartbeat.Breaker.OPEN
        return text.label(heartbeat.get_breaker_display(), "danger" if is_open else "success")

    @display(description="Breaker's error")
    def error_cut(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.one_line(heartbeat.breaker_error)

    @display(description="Breaker's error")
    def breaker_error_shown(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.block(heartbeat.breaker_error)

    @display(description="Next probe (UTC)")
    def next_probe(self, heartbeat: ConsumerHeartbeat) -> str:
        return text.utc(heartbeat.probe_at)
