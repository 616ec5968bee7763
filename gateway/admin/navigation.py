"""The admin's sidebar, for `UNFOLD["SIDEBAR"]["navigation"]`. Names pages of other apps, imports none."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.module_loading import import_string

# A page is a title, an icon, the model whose list it is (and whose viewers may see it), and the name of its
# URL where it is no model's list.
SECTIONS: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...] = (
    (
        "Traffic",
        (
            ("Overview", "monitoring", "stats.pathstatshourly", "admin:index"),
            ("Events", "swap_vert", "stats.event"),
            ("Hourly statistics", "bar_chart", "stats.pathstatshourly"),
            ("Daily statistics", "calendar_month", "stats.pathstatsdaily"),
            ("Imported hours", "history", "stats.importedhourly"),
            ("Days", "event_available", "stats.trafficday"),
            ("Archive", "archive", "stats.archivedfile"),
        ),
    ),
    (
        "Queue",
        (
            ("Queued batches", "inbox", "gateway.queuedbatch"),
            ("Dead letters", "report", "stats.deadletter"),
            ("Repairs", "healing", "stats.repair"),
            ("Consumer", "monitor_heart", "stats.consumerheartbeat"),
            ("Worker starts", "restart_alt", "stats.workerstart"),
        ),
    ),
    (
        "Cutover",
        (
            ("Mode", "alt_route", "gateway.modechange"),
            ("Verification", "fact_check", "stats.verificationreport"),
            ("Readiness", "rule", "stats.verificationreport", "admin:stats_readiness"),
            ("Read path", "call_split", "stats.readchange"),
            ("Compared answers", "compare", "stats.readcomparison"),
        ),
    ),
    (
        "Fallback",
        (
            ("Replay", "replay", "legacy_collector.collectedevent", "admin:stats_fallback"),
            ("Collected events", "move_to_inbox", "legacy_collector.collectedevent"),
            ("Collected hourly counts", "schedule", "legacy_collector.collectedhourly"),
        ),
    ),
    (
        "Task queue",
        (
            ("Jobs", "play_circle", "stats.jobrun", "admin:stats_jobs"),
            ("Runs of jobs", "manage_history", "stats.jobrun"),
            ("Queued tasks", "pending_actions", "django_q.ormq"),
            ("Schedules", "event_repeat", "django_q.schedule"),
            ("Failed tasks", "error", "django_q.failure"),
            ("Successful tasks", "task_alt", "django_q.success"),
        ),
    ),
    (
        "Accounts",
        (
            ("Users", "person", "auth.user"),
            ("Groups", "group", "auth.group"),
            ("API tokens", "key", "stats.apitoken"),
        ),
    ),
)
BADGES = {"stats.deadletter": "stats.admin.dead_letters.badge"}


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
