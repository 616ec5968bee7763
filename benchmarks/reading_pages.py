"""The admin's pages that `reading` measures, as a browser asks for them: server time, to the last byte."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any


def pages_to_ask() -> dict[str, Callable[[], Any]]:
    """By name, what asks for it. Raises RuntimeError for a page that does not answer with 200."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    user, _ = get_user_model().objects.get_or_create(username="reader", is_staff=True, is_superuser=True)
    client = Client(headers={"host": "127.0.0.1"})
    client.force_login(user)
    hour = datetime.now(UTC) - timedelta(days=15)
    lists = {
        "first page, 24 hours": "",
        "first page, 7 days": "?last=7d",
        "first page, 30 days by p95": "?last=30d&sort=p95",
        "one route, 7 days": "stats/pathstatshourly/route/?route=/r7/%7Bid%7D&last=7d",
        "events": "stats/event/",
        "events, page 20": "stats/event/?p=20",
        "events of an hour": f"stats/event/?q={hour:%Y-%m-%d+%H}",
        "events of a route": "stats/event/?q=/r7/",
        "events, nothing found": "stats/event/?q=/nothing",
        "hourly statistics": "stats/pathstatshourly/",
        "hourly statistics of a route": "stats/pathstatshourly/?q=/r7/",
        "daily statistics": "stats/pathstatsdaily/",
        "days": "stats/trafficday/",
        "archive": "stats/archivedfile/",
        "dead letters": "stats/deadletter/",
        "dead letters by reason and route": "stats/deadletter/groups/",
        "repairs": "stats/repair/",
        "alerts": "stats/alert/",
        "alert rules": "stats/alertrule/",
        "jobs": "stats/jobrun/jobs/",
        "fallback": "stats/jobrun/fallback/",
        "queued batches": "gateway/queuedbatch/",
        "collected events": "legacy_collector/collectedevent/",
    }
    return {f"admin: {name}": partial(_get, client, f"/admin/{path}") for name, path in lists.items()}


def _get(client: Any, path: str) -> None:
    answer = client.get(path)
    if answer.status_code != 200:
        raise RuntimeError(f"{path} answered {answer.status_code}")
