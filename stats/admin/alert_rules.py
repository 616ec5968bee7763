"""Admin page of the rules: what is looked at each minute, how it stands, and what would be if it were now."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from stats.admin.alert_deliveries import outcome_url, start_sending
from stats.admin.alerts import SEVERITY_KINDS
from stats.admin.rule_titles import title_of
from stats.alerts import channels, rules
from stats.alerts.measures import figure
from stats.models import AlertRule, AlertState

PHASE_KINDS = {"ok": "success", "pending": "warning", "firing": "danger", "clearing": "info"}


class AlertRuleForm(forms.ModelForm):
    """Says at each field what can't be, and derives where the rule clears if it does not say."""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        measure, bound = cleaned.get("measure", self.instance.measure), cleaned.get("bound")
        if not measure or bound is None or "clears_at" in self.errors:
            return cleaned
        if cleaned.get("clears_at") is None:
            cleaned["clears_at"] = rules.derived_clears_at(measure, bound)
        cleaned["route"] = cleaned.get("route", "").strip()
        for field, problem in rules.problems(measure, cleaned["route"], bound, cleaned["clears_at"]):
            self.add_error(field, problem)
        return cleaned


@admin.register(AlertRule)
class AlertRuleAdmin(ReadOnlyAdmin):
    """The rules by name, each with its state and its value at the last look."""

    form = AlertRuleForm
    list_display = (
        "name_cut",
        "state_shown",
        "value_shown",
        "bounds_shown",
        "measured_shown",
        "severity_shown",
    )
    list_select_related = ("state",)
    ordering = ("name",)
    actions = ("switch_on", "switch_off")
    change_form_outer_before_template = "stats/alert_rule_actions.html"
    keeps_history = True
    empty_text = _("No rule: nothing is looked at. The command migrate makes the shipped ones.")
    now_fields = ("state_shown", "since", "value_shown", "detail_shown")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("stats.add_alertrule"))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("stats.change_alertrule"))

    def has_test_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("stats.test_alertchannel"))

    def get_fieldsets(self, request: HttpRequest, obj: AlertRule | None = None) -> Any:
        parts = [
            (None, {"fields": ("name", "measure", "route", "is_enabled", "severity")}),
            (
                _("When"),
                {
                    "fields": (
                        *("bound", "clears_at", "hold_minutes", "clear_minutes", "cool_down_minutes"),
                        "minimum_requests",
                    )
                },
            ),
            (_("Who is told"), {"fields": ("channels",)}),
        ]
        return parts if obj is None else [(_("Now"), {"fields": self.now_fields}), *parts]

    def get_readonly_fields(self, request: HttpRequest, obj: AlertRule | None = None) -> tuple[str, ...]:
        return () if obj is None else ("measure", *self.now_fields)

    def formfield_for_manytomany(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        kwargs["widget"] = UnfoldAdminCheckboxSelectMultipleWidget()
        return super().formfield_for_manytomany(db_field, request, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        made = super().get_form(request, obj, change, **kwargs)
        if "channels" in made.base_fields:
            # In a window of its own the secret of a new one would be lost.
            made.base_fields["channels"].widget.can_add_related = False
        return made

    def detail_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().detail_context(request),
            "may_send": self.has_test_permission(request),
            "show_save_and_add_another": False,
        }

    # --- switched --------------------------------------------------------------------------------------

    @action(description=_("Switch on"), permissions=["change"])
    def switch_on(self, request: HttpRequest, rows: QuerySet[AlertRule]) -> None:
        self._switch(request, rows, is_enabled=True)

    @action(description=_("Switch off: an alert that is open ends"), permissions=["change"])
    def switch_off(self, request: HttpRequest, rows: QuerySet[AlertRule]) -> None:
        self._switch(request, rows, is_enabled=False)

    def _switch(self, request: HttpRequest, rows: QuerySet[AlertRule], *, is_enabled: bool) -> None:
        changed = list(rows.filter(is_enabled=not is_enabled))
        AlertRule.objects.filter(pk__in=[rule.pk for rule in changed]).update(is_enabled=is_enabled)
        if is_enabled:
            told = ngettext("%(count)d rule switched on.", "%(count)d rules switched on.", len(changed))
        else:
            told = ngettext("%(count)d rule switched off.", "%(count)d rules switched off.", len(changed))
        messages.success(request, told % {"count": len(changed)})
        LogEntry.objects.log_actions(
            user_id=str(request.user.pk),
            queryset=changed,
            action_flag=CHANGE,
            change_message="Switched on." if is_enabled else "Switched off.",
        )

    # --- tried out -----------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        views = {"test": self.test_view, "send_test": self.send_test_view}
        own = [
            path(f"<int:object_id>/{name}/", self.admin_site.admin_view(view), name=f"stats_alertrule_{name}")
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def test_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """What the rule's value is now, and what that would do. Changes nothing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        from stats.alerts.trial import trial  # here: it loads numpy, and all processes load this

        rule = get_object_or_404(AlertRule.objects.select_related("state"), pk=object_id)
        context = {
            **self.admin_site.each_context(request),
            "title": title_of(rule),
            "opts": self.opts,
            "media": self.media,
            "rule": rule,
            "trial": trial(rule),
            "fires_from": figure(rule.measure, rule.bound),
            "clears_at": figure(rule.measure, rule.clears_at),
        }
        return TemplateResponse(request, "stats/alert_trial.html", context)

    def send_test_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """A test message to each channel of the rule. POST only."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_test_permission(request):
            raise PermissionDenied
        rule = get_object_or_404(AlertRule, pk=object_id)
        open_ = list(rule.channels.filter(is_enabled=True))
        if not open_:
            messages.error(request, gettext("The rule has no channel that is switched on."))
            return redirect("admin:stats_alertrule_change", rule.pk)
        made = channels.send_test(open_, request.user.get_username(), rule)
        LogEntry.objects.log_actions(
            user_id=str(request.user.pk),
            queryset=[rule],
            action_flag=CHANGE,
            change_message=f"Test message sent to {len(made)} channels.",
            single_object=True,
        )
        start_sending(request)
        return redirect(outcome_url(made))

    # --- columns and fields --------------------------------------------------------------------------

    @display(description=_("Rule"))
    def name_cut(self, rule: AlertRule) -> str:
        return text.one_line(title_of(rule))

    @display(description=_("State"))
    def state_shown(self, rule: AlertRule) -> SafeString:
        state = _state(rule)
        is_open = state is not None and state.phase in ("firing", "clearing")
        if not rule.is_enabled and not is_open:
            return text.label(gettext("off"))
        if state is None:
            return text.label(gettext("not looked at yet"))
        if state.value is None and not is_open:
            return text.label(gettext("unknown"), title=text.whole(state.detail))
        since = gettext("since %(time)s UTC") % {"time": self.since(rule)}
        return text.label(state.get_phase_display(), PHASE_KINDS[state.phase], since)

    @display(description=_("Value"))
    def value_shown(self, rule: AlertRule) -> str:
        state = _state(rule)
        return figure(rule.measure, state.value if state else None)

    @display(description=_("What it is made of"))
    def detail_shown(self, rule: AlertRule) -> str:
        state = _state(rule)
        return text.whole(state.detail if state else "")

    @display(description=_("Fires from, clears at"))
    def bounds_shown(self, rule: AlertRule) -> str:
        return f"{figure(rule.measure, rule.bound)}, {figure(rule.measure, rule.clears_at)}"

    @display(description=_("Measured"))
    def measured_shown(self, rule: AlertRule) -> str:
        name = str(rule.get_measure_display())
        return text.one_line(f"{name}: {rule.route}" if rule.route else name)

    @display(description=_("Severity"))
    def severity_shown(self, rule: AlertRule) -> SafeString:
        return text.label(rule.get_severity_display(), SEVERITY_KINDS[rule.severity])

    @display(description=_("Since (UTC)"))
    def since(self, rule: AlertRule) -> str:
        state = _state(rule)
        return text.utc(state.since if state else None)[:19]


def _state(rule: AlertRule) -> AlertState | None:
    """None before its first look."""
    return getattr(rule, "state", None)
