"""Admin page of the channels of alerts: where messages go, tried out here; a secret is shown once."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from stats.admin.alert_deliveries import outcome_url, start_sending
from stats.alerts import channels, mail
from stats.models import AlertChannel


class AlertChannelForm(forms.ModelForm):
    """Refuses an address that no message can go to, at its field."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        kind, target = cleaned.get("kind", self.instance.kind), cleaned.get("target", "").strip()
        if kind and target:
            try:
                channels.check(kind, target)
            except ValidationError as error:
                self.add_error("target", error)
            cleaned["target"] = target
        return cleaned


@admin.register(AlertChannel)
class AlertChannelAdmin(ReadOnlyAdmin):
    """Where messages of alerts go."""

    form = AlertChannelForm
    list_display = ("name_cut", "kind_shown", "where", "is_on")
    ordering = ("name",)
    change_form_outer_before_template = "stats/alert_channel_actions.html"
    keeps_history = True
    empty_text = _("No channel: alerts are shown here only. A channel is an e-mail address or a webhook.")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("stats.add_alertchannel"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("stats.change_alertchannel"))

    def has_test_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("stats.test_alertchannel"))

    def get_fields(self, request: HttpRequest, obj: AlertChannel | None = None) -> tuple[str, ...]:
        # A webhook's address often is a secret itself: whoever may not change it sees only its host.
        is_whole = obj is None or self.has_change_permission(request, obj)
        return "name", "kind", "target" if is_whole else "where", "is_enabled"

    def get_readonly_fields(self, request: HttpRequest, obj: AlertChannel | None = None) -> tuple[str, ...]:
        return () if obj is None else ("kind", "where")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        made = super().get_form(request, obj, change, **kwargs)
        if "target" in made.base_fields:
            made.base_fields["target"].widget.attrs["rows"] = 3
        return made

    # --- made, and its secret ------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: AlertChannel, form: Any, change: bool) -> None:
        if not change and obj.kind == AlertChannel.Kind.WEBHOOK:
            channels.renew_secret(obj)
        else:
            super().save_model(request, obj, form, change)

    def response_add(
        self, request: HttpRequest, obj: AlertChannel, post_url_continue: str | None = None
    ) -> HttpResponse:
        if obj.kind == AlertChannel.Kind.WEBHOOK:
            return self._show_secret(request, obj)
        return super().response_add(request, obj, post_url_continue)

    def renew_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """A new secret in place of the old one, which is worthless from the next message on."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_change_permission(request):
            raise PermissionDenied
        channel = get_object_or_404(AlertChannel, pk=object_id, kind=AlertChannel.Kind.WEBHOOK)
        channels.renew_secret(channel)
        _audit(request, channel, "Secret renewed.")
        return self._show_secret(request, channel)

    def _show_secret(self, request: HttpRequest, channel: AlertChannel) -> HttpResponse:
        # No redirect: what a redirect shows must be kept meanwhile, in a cookie or in the session.
        context = {
            **self.admin_site.each_context(request),
            "title": channel.name,
            "opts": self.opts,
            "media": self.media,
            "channel": channel,
            "secret": channel.secret,
        }
        return TemplateResponse(request, "stats/alert_secret.html", context)

    # --- tried out -----------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        views = {"renew": self.renew_view, "test": self.test_view}
        own = [
            path(
                f"<int:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"stats_alertchannel_{name}",
            )
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def test_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Sends a test message. POST only."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_test_permission(request):
            raise PermissionDenied
        channel = get_object_or_404(AlertChannel, pk=object_id)
        if not channel.is_enabled:
            messages.error(request, gettext("The channel is switched off: nothing is sent to it."))
            return redirect("admin:stats_alertchannel_change", channel.pk)
        made = channels.send_test([channel], request.user.get_username())
        _audit(request, channel, "Test message sent.")
        start_sending(request)
        return redirect(outcome_url(made))

    def detail_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().detail_context(request),
            "may_test": self.has_test_permission(request),
            "may_renew": self.has_change_permission(request),
            "mail_problem": mail.not_set_up(),
            "show_save_and_continue": False,
            "show_save_and_add_another": False,
        }

    # --- columns and fields --------------------------------------------------------------------------

    @display(description=_("Name"))
    def name_cut(self, channel: AlertChannel) -> str:
        return text.one_line(channel.name)

    @display(description=_("Kind"))
    def kind_shown(self, channel: AlertChannel) -> Any:
        return channel.get_kind_display()

    @display(description=_("Address"))
    def where(self, channel: AlertChannel) -> str:
        if channel.kind == AlertChannel.Kind.EMAIL:
            return text.one_line(channel.target)
        parts = urlsplit(channel.target)
        return text.one_line(f"{parts.scheme}://{parts.netloc}/\u2026")

    @display(description=_("Switched on"))
    def is_on(self, channel: AlertChannel) -> SafeString:
        return text.label(gettext("on"), "success") if channel.is_enabled else text.label(gettext("off"))


def _audit(request: HttpRequest, channel: AlertChannel, what: str) -> None:
    LogEntry.objects.log_actions(
        user_id=str(request.user.pk),
        queryset=[channel],
        action_flag=CHANGE,
        change_message=what,
        single_object=True,
    )
