"""Admin page of the messages of alerts: what waits, what was sent, what was given up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import Script
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone, translation
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from stats import background
from stats.admin.rule_titles import title_of
from stats.alerts import outbox
from stats.models import AlertDelivery

SENDER = "send_alerts"
MOST_SHOWN = 50
WATCHED_FOR = timedelta(seconds=45)  # an outcome's page looks again so long
STATE_KINDS = {"waiting": "info", "sent": "success", "given_up": "danger"}


def start_sending(request: HttpRequest) -> None:
    """Has what waits sent beside this process; where that can't be, the worker does it within a minute."""
    try:
        background.start(SENDER)
    except OSError:
        messages.warning(
            request, gettext("No process could be started here: the worker sends it in a minute.")
        )


def outcome_url(deliveries: Sequence[AlertDelivery]) -> str:
    """The page that shows what becomes of them."""
    keys = ",".join(str(delivery.pk) for delivery in deliveries)
    return f"{reverse('admin:stats_alertdelivery_outcome')}?of={keys}"


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(ReadOnlyAdmin):
    """One message to one channel, newest first."""

    list_display = ("made", "channel_name", "kind_shown", "about", "state_shown", "tries", "why")
    list_filter = ("state",)
    list_select_related = ("channel", "alert__rule")
    list_deferred: ClassVar = ("payload",)
    fields = (
        *("made", "channel_name", "kind_shown", "about", "state_shown", "tries", "next_attempt", "settled"),
        *("error_shown", "uid_shown", "payload_shown"),
    )
    actions = ("retry_selected",)
    keeps_history = True
    empty_text = _("No message has been made. Rules send theirs to their channels.")

    class Media:
        js = (Script("stats/watched.js", defer=True),)

    def has_retry_permission(self, request: HttpRequest) -> bool:
        """The page is read-only for everybody; this is about the action."""
        return bool(request.user.has_perm("stats.change_alertdelivery"))

    @action(description=_("Try again now"), permissions=["retry"])
    def retry_selected(self, request: HttpRequest, rows: QuerySet[AlertDelivery]) -> None:
        unsent = list(rows.exclude(state=AlertDelivery.State.SENT).select_related("channel"))
        count = outbox.retry(AlertDelivery.objects.filter(pk__in=[one.pk for one in unsent]))
        told = ngettext("%(count)d message is tried again.", "%(count)d messages are tried again.", count)
        messages.success(request, told % {"count": count})
        with translation.override(None):  # in one language, whoever's page it was
            LogEntry.objects.log_actions(
                user_id=str(request.user.pk),
                queryset=unsent,
                action_flag=CHANGE,
                change_message="Tried again.",
            )
        start_sending(request)

    # --- what became of a test -----------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.outcome_view)
        return [path("outcome/", view, name="stats_alertdelivery_outcome"), *super().get_urls()]

    def outcome_view(self, request: HttpRequest) -> HttpResponse:
        """Some messages, and how they fare; the page asks again while one waits."""
        if not (self.has_view_permission(request) or request.user.has_perm("stats.test_alertchannel")):
            raise PermissionDenied
        keys = [int(key) for key in request.GET.get("of", "").split(",") if _is_key(key)]
        rows = list(
            AlertDelivery.objects.filter(pk__in=keys[:MOST_SHOWN]).select_related("channel").order_by("pk")
        )
        fresh = timezone.now() - WATCHED_FOR
        is_waiting = any(one.state == AlertDelivery.State.WAITING and not one.error for one in rows)
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Test messages"),
            "opts": self.opts,
            "media": self.media,
            "titles": (gettext("Channel"), gettext("State"), gettext("Attempts"), gettext("Last error")),
            "rows": [
                [text.one_line(one.channel.name), self.state_shown(one), one.attempts, text.whole(one.error)]
                for one in rows
            ],
            "is_watched": is_waiting and any(one.created_at > fresh for one in rows),
        }
        return TemplateResponse(request, "stats/alert_outcome.html", context)

    # --- columns and fields --------------------------------------------------------------------------

    @display(description=_("Made (UTC)"))
    def made(self, delivery: AlertDelivery) -> str:
        return text.utc(delivery.created_at)[:19]

    @display(description=_("Channel"))
    def channel_name(self, delivery: AlertDelivery) -> str:
        return text.one_line(delivery.channel.name)

    @display(description=_("Message"))
    def kind_shown(self, delivery: AlertDelivery) -> Any:
        return delivery.get_kind_display()

    @display(description=_("Rule"))
    def about(self, delivery: AlertDelivery) -> str:
        return text.one_line(title_of(delivery.alert.rule) if delivery.alert else "")

    @display(description=_("State"))
    def state_shown(self, delivery: AlertDelivery) -> SafeString:
        return text.label(delivery.get_state_display(), STATE_KINDS[delivery.state])

    @display(description=_("Attempts"))
    def tries(self, delivery: AlertDelivery) -> str:
        return text.count(delivery.attempts)

    @display(description=_("Next attempt (UTC)"))
    def next_attempt(self, delivery: AlertDelivery) -> str:
        is_waiting = delivery.state == AlertDelivery.State.WAITING
        return text.utc(delivery.next_attempt_at)[:19] if is_waiting else "-"

    @display(description=_("Settled (UTC)"))
    def settled(self, delivery: AlertDelivery) -> str:
        return text.utc(delivery.settled_at)[:19]

    @display(description=_("Last error"))
    def why(self, delivery: AlertDelivery) -> str:
        return text.one_line(delivery.error)

    @display(description=_("Last error"))
    def error_shown(self, delivery: AlertDelivery) -> str:
        return text.block(delivery.error)

    @display(description=_("Id, the same at each attempt"))
    def uid_shown(self, delivery: AlertDelivery) -> str:
        return text.code(str(delivery.uid))

    @display(description=_("What it says"))
    def payload_shown(self, delivery: AlertDelivery) -> str:
        return text.block(str(delivery.payload.get("text", ""))) if delivery.payload else "-"


def _is_key(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19
