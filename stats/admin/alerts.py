"""Admin page of alerts: what fires, what has fired, and who has seen it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path, reverse
from django.utils import timezone, translation
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from stats.admin.alert_deliveries import STATE_KINDS
from stats.admin.rule_titles import title_of
from stats.alerts.measures import KINDS, figure
from stats.models import Alert

MAX_NOTE = 2_000
SEVERITY_KINDS = {"warning": "warning", "critical": "danger"}


def badge(request: HttpRequest) -> str:
    """How many fire, for the sidebar; empty for none."""
    return str(Alert.objects.filter(ended_at=None).count() or "")


class OpenFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("firing", _("firing")), ("over", _("over"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() not in ("firing", "over"):
            return queryset
        return queryset.filter(ended_at__isnull=self.value() == "firing")


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    """What fires first, then what ended last."""

    list_display = ("rule_name", "state", "severity_shown", "began", "lasted", "worst", "seen")
    list_filter = (OpenFilter,)
    list_select_related = ("rule",)
    ordering = (F("ended_at").desc(nulls_first=True), F("id").desc())  # type: ignore[assignment]
    fields = (
        *("rule_link", "state", "severity_shown", "measured", "began", "ended", "lasted"),
        *("bound_shown", "worst", "last", "seen", "note_shown", "advice", "messages_shown"),
    )
    change_form_outer_before_template = "stats/alert_actions.html"
    keeps_history = True
    empty_text = _("No rule has fired yet. The rules say what is looked at each minute.")

    def has_acknowledge_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("stats.acknowledge_alert"))

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.acknowledge_view)
        own = path("<int:object_id>/acknowledge/", view, name="stats_alert_acknowledge")
        return [own, *super().get_urls()]

    def acknowledge_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The detail page's form. POST only: a link would let any page acknowledge in a user's name."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_acknowledge_permission(request):
            raise PermissionDenied
        alert = get_object_or_404(Alert, pk=object_id)
        note = request.POST.get("note", "").strip().replace("\0", "")
        if len(note) > MAX_NOTE:
            messages.error(request, gettext("Note: longer than %(most)d characters.") % {"most": MAX_NOTE})
        else:
            self._acknowledge(request, alert, note)
        return redirect("admin:stats_alert_change", alert.pk)

    def _acknowledge(self, request: HttpRequest, alert: Alert, note: str) -> None:
        unseen = Alert.objects.filter(pk=alert.pk, acknowledged_at=None)
        by = request.user.get_username()
        if not unseen.update(acknowledged_at=timezone.now(), acknowledged_by=by, note=note):
            messages.warning(request, gettext("It has been acknowledged before."))
            return
        messages.success(request, gettext("Acknowledged."))
        with translation.override(None):  # in one language, whoever's page it was
            LogEntry.objects.log_actions(
                user_id=str(request.user.pk),
                queryset=[alert],
                action_flag=CHANGE,
                change_message=f"Acknowledged. {note}".strip(),
                single_object=True,
            )

    def detail_context(self, request: HttpRequest) -> dict[str, Any]:
        may = self.has_acknowledge_permission(request)
        return {**super().detail_context(request), "may_acknowledge": may, "most": MAX_NOTE}

    # --- columns and fields --------------------------------------------------------------------------

    @display(description=_("Rule"))
    def rule_name(self, alert: Alert) -> str:
        return text.one_line(title_of(alert.rule))

    @display(description=_("Rule"))
    def rule_link(self, alert: Alert) -> SafeString:
        url = reverse("admin:stats_alertrule_change", args=[alert.rule_id])
        return format_html('<a class="text-link" href="{}">{}</a>', url, text.whole(title_of(alert.rule)))

    @display(description=_("State"))
    def state(self, alert: Alert) -> SafeString:
        return (
            text.label(gettext("over"), "success")
            if alert.ended_at
            else text.label(gettext("firing"), "danger")
        )

    @display(description=_("Severity"))
    def severity_shown(self, alert: Alert) -> SafeString:
        return text.label(alert.get_severity_display(), SEVERITY_KINDS[alert.severity])

    @display(description=_("Measured"))
    def measured(self, alert: Alert) -> str:
        name, route = alert.rule.get_measure_display(), alert.rule.route
        return f"{name}: {text.whole(route)}" if route else str(name)

    @display(description=_("Began (UTC)"))
    def began(self, alert: Alert) -> str:
        return text.utc(alert.began_at)[:19]

    @display(description=_("Ended (UTC)"))
    def ended(self, alert: Alert) -> str:
        return text.utc(alert.ended_at)[:19]

    @display(description=_("Lasted"))
    def lasted(self, alert: Alert) -> str:
        seconds = ((alert.ended_at or timezone.now()) - alert.began_at).total_seconds()
        minutes = max(0, round(seconds / 60))
        if minutes < 60:
            return gettext("%(count)s min") % {"count": minutes}
        hours = {"hours": minutes // 60, "minutes": f"{minutes % 60:02}"}
        return gettext("%(hours)s h %(minutes)s min") % hours

    @display(description=pgettext_lazy("of an alert", "Bound"))
    def bound_shown(self, alert: Alert) -> str:
        return figure(alert.rule.measure, alert.bound)

    @display(description=_("Worst value"))
    def worst(self, alert: Alert) -> str:
        return figure(alert.rule.measure, alert.worst_value)

    @display(description=_("Last value"))
    def last(self, alert: Alert) -> str:
        return figure(alert.rule.measure, alert.last_value)

    @display(description=_("Acknowledged"))
    def seen(self, alert: Alert) -> str:
        if alert.acknowledged_at is None:
            return "-"
        return f"{text.whole(alert.acknowledged_by)}, {text.utc(alert.acknowledged_at)[:16]}"

    @display(description=_("Note"))
    def note_shown(self, alert: Alert) -> str:
        return text.block(alert.note)

    @display(description=_("What to do"))
    def advice(self, alert: Alert) -> SafeString:
        kind = KINDS[alert.rule.measure]
        return format_html(
            '{} <a class="text-link" href="{}">{}</a>',
            kind.advice,
            reverse(f"admin:{kind.page}"),
            gettext("To the page"),
        )

    @display(description=_("Messages"))
    def messages_shown(self, alert: Alert) -> str:
        rows = [
            [
                one.get_kind_display(),
                text.one_line(one.channel.name),
                text.label(one.get_state_display(), STATE_KINDS[one.state]),
                text.one_line(one.error),
            ]
            for one in alert.deliveries.select_related("channel").order_by("pk")[:100]
        ]
        if not rows:
            return gettext("None: its rule has no channel.")
        titles = (gettext("Message"), gettext("Channel"), gettext("State"), gettext("Last error"))
        table = render_to_string("gateway/plain_table.html", {"titles": titles, "rows": rows})
        return format_html('<div class="tg-wrapping">{}</div>', table)
