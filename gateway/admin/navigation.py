"""The admin's sidebar, for `UNFOLD["SIDEBAR"]["navigation"]`. Names pages of other apps, imports none."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

# A page is a title, an icon, the model whose list it is (and whose viewers may see it), and the name of its
# URL where it is no model's list.
SECTIONS: tuple[tuple[Any, tuple[tuple[Any, ...], ...]], ...] = (
    (
        _("Traffic"),
        (
            (_("Overview"), "monitoring", "stats.pathstatshourly", "admin:index"),
            (_("Events"), "swap_vert", "stats.event"),
            (_("Hourly statistics"), "bar_chart", "stats.pathstatshourly"),
            (_("Daily statistics"), "calendar_month", "stats.pathstatsdaily"),
            (_("Imported hours"), "history", "stats.importedhourly"),
            (_("Days"), "event_available", "stats.trafficday"),
            (_("Archive"), "archive", "stats.archivedfile"),
        ),
    ),
    (
        _("Queue"),
        (
            (_("Queued batches"), "inbox", "gateway.queuedbatch"),
            (_("Dead letters"), "report", "stats.deadletter"),
            (_("Repairs"), "healing", "stats.repair"),
            (_("Consumer"), "monitor_heart", "stats.consumerheartbeat"),
            (_("Worker starts"), "restart_alt", "stats.workerstart"),
        ),
    ),
    (
        _("Alerts"),
        (
            (_("Alerts"), "notifications_active", "stats.alert"),
            (_("Rules"), "rule_settings", "stats.alertrule"),
            (_("Channels"), "contact_mail", "stats.alertchannel"),
            (_("Messages"), "outgoing_mail", "stats.alertdelivery"),
        ),
    ),
    (
        _("Cutover"),
        (
            (_("Mode"), "alt_route", "gateway.modechange"),
            (_("Verification"), "fact_check", "stats.verificationreport"),
            (_("Readiness"), "rule", "stats.verificationreport", "admin:stats_readiness"),
            (_("Read path"), "call_split", "stats.readchange"),
            (_("Compared answers"), "compare", "stats.readcomparison"),
        ),
    ),
    (
        _("Fallback"),
        (
            (_("Replay"), "replay", "legacy_collector.collectedevent", "admin:stats_fallback"),
            (_("Collected events"), "move_to_inbox", "legacy_collector.collectedevent"),
            (_("Collected hourly counts"), "schedule", "legacy_collector.collectedhourly"),
        ),
    ),
    (
        _("Task queue"),
        (
            (_("Jobs"), "play_circle", "stats.jobrun", "admin:stats_jobs"),
            (_("Runs of jobs"), "manage_history", "stats.jobrun"),
            (_("Queued tasks"), "pending_actions", "django_q.ormq"),
            (pgettext_lazy("of tasks", "Schedules"), "event_repeat", "django_q.schedule"),
            (_("Failed tasks"), "error", "django_q.failure"),
            (_("Successful tasks"), "task_alt", "django_q.success"),
        ),
    ),
    (
        _("Accounts"),
        (
            (_("Users"), "person", "auth.user"),
            (_("Groups"), "group", "auth.group"),
            (_("API tokens"), "key", "stats.apitoken"),
        ),
    ),
)
BADGES = {
    "stats.alert": "stats.admin.alerts.badge",
    "stats.deadletter": "stats.admin.dead_letters.badge",
}


def sections(request: HttpRequest) -> list[dict[str, Any]]:
    """The sections with the pages that the user may see."""
    found: list[dict[str, Any]] = []
    for title, pages in SECTIONS:
        items = [_item(request, *page) for page in pages if _is_visible(request, page[2])]
        if items:
            found.append({"title": title, "separator": True, "collapsible": False, "items": items})
    _mark_active(request, [item for section in found for item in section["items"]])
    return found


def _mark_active(request: HttpRequest, items: list[dict[str, Any]]) -> None:
    """One at most: a page may lie below another's address."""
    here = [item for item in items if request.path.startswith(item["link"])]
    nearest = max(here, key=lambda item: len(item["link"]), default=None)
    for item in items:
        item["active"] = item is nearest


def _item(request: HttpRequest, title: str, icon: str, model: str, page: str = "") -> dict[str, Any]:
    page = page or f"admin:{model.replace('.', '_')}_changelist"
    item = {"title": title, "icon": icon, "link": reverse(page)}
    badge = import_string(BADGES[model])(request) if model in BADGES else ""
    return {**item, "badge": badge} if badge else item


def _is_visible(request: HttpRequest, model: str) -> bool:
    app, name = model.split(".")
    return any(request.user.has_perm(f"{app}.{verb}_{name}") for verb in ("view", "change"))
