"""Admin page of the modes: their history, and a form that puts another one into force."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway import modes
from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from gateway.models import ModeChange

KINDS = {"legacy": "warning", "dual": "info", "sample": "info", "queue": "success"}


@admin.register(ModeChange)
class ModeChangeAdmin(ReadOnlyAdmin):
    """Who counts requests, and since when; the first row is in force."""

    # The link first: on a phone, unfold takes a first column without one for its checkbox.
    list_display = ("since", "mode_shown", "share", "who", "why")
    keeps_history = True
    empty_text = _(
        "Nobody has chosen a mode: STATS_MODE is in force. The button above puts another one into force, in"
        " all processes within 10 seconds."
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("gateway.add_modechange"))

    def get_fields(self, request: HttpRequest, obj: ModeChange | None = None) -> tuple[str, ...]:
        if obj is None:
            return "mode", "sample_rate", "note"
        return "mode_shown", "share", "since", "who", "note_shown"

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        in_force = modes.in_force()
        return {"mode": in_force.mode, "sample_rate": in_force.sample_rate}

    def save_model(self, request: HttpRequest, obj: ModeChange, form: Any, change: bool) -> None:
        made = modes.change(obj.mode, obj.sample_rate, by=request.user.get_username(), note=obj.note)
        obj.pk, obj.changed_at, obj.changed_by = made.pk, made.changed_at, made.changed_by

    def detail_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().detail_context(request),
            "show_save_and_continue": False,
            "show_save_and_add_another": False,
        }

    # --- columns and fields --------------------------------------------------------------------------

    @display(description=_("Mode"))
    def mode_shown(self, change: ModeChange) -> SafeString:
        return text.label(change.mode, KINDS[change.mode], title=change.get_mode_display())

    @display(description=_("Sample"))
    def share(self, change: ModeChange) -> str:
        return f"{change.sample_rate:.3%}" if change.mode == ModeChange.Mode.SAMPLE else "-"

    @display(description=_("In force since (UTC)"))
    def since(self, change: ModeChange) -> str:
        return text.utc(change.changed_at)

    @display(description=_("Chosen by"))
    def who(self, change: ModeChange) -> str:
        return text.whole(change.changed_by) if change.changed_by else gettext("the settings (STATS_MODE)")

    @display(description=_("Why"))
    def why(self, change: ModeChange) -> str:
        return text.one_line(change.note)

    @display(description=_("Why"))
    def note_shown(self, change: ModeChange) -> str:
        return text.whole(change.note)
