"""What a message says: a webhook's body, whose `text` is also the e-mail. English, since it is stored."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.utils import translation

from gateway.conf import conf
from stats.alerts.machine import Message
from stats.alerts.measures import figure
from stats.models import Alert, AlertChannel, AlertRule

VERSION = 1
TITLES = {Message.FIRED: "FIRING", Message.RESOLVED: "resolved"}


def of_alert(rule: AlertRule, alert: Alert, message: Message, detail: str) -> dict[str, Any]:
    """A message that an alert has begun or ended. The alert is saved."""
    return {
        "version": VERSION,
        "event": f"alert.{message.value}",
        "title": f"{TITLES[message]}: {rule.name}",
        "text": _text(rule, alert, message, detail),
        "rule": {
            "id": rule.pk,
            "name": rule.name,
            "measure": rule.measure,
            "route": rule.route,
            "severity": alert.severity,
            "fires_from": rule.bound,
            "clears_at": rule.clears_at,
        },
        "alert": {
            "id": alert.pk,
            "began_at": _iso(alert.began_at),
            "ended_at": _iso(alert.ended_at),
            "value": alert.last_value,
            "worst_value": alert.worst_value,
            "detail": detail,
            "url": _link(alert),
        },
    }


def of_test(channel: AlertChannel, by: str, rule: AlertRule | None) -> dict[str, Any]:
    """A message that shows that the channel works; of a rule, if somebody tried that one's channels."""
    about = f" for the rule {rule.name!r}" if rule else ""
    return {
        "version": VERSION,
        "event": "alert.test",
        "title": f"test message to {channel.name}",
        "text": f"A test message{about}, sent by {by}. Nothing is wrong.",
        "rule": {"id": rule.pk, "name": rule.name} if rule else None,
        "alert": None,
    }


def _text(rule: AlertRule, alert: Alert, message: Message, detail: str) -> str:
    sentences = _fired(rule, alert, detail) if message is Message.FIRED else _resolved(rule, alert)
    link = _link(alert)
    return " ".join(sentences) + (f"\n{link}" if link else "")


def _fired(rule: AlertRule, alert: Alert, detail: str) -> Iterator[str]:
    about = f" ({detail})" if detail else ""
    yield f"{rule.name} ({alert.severity}): {_what(rule)} at {figure(rule.measure, alert.last_value)}{about},"
    yield f"since {_minute(alert.began_at)}. It fires from {figure(rule.measure, rule.bound)}"
    yield f"and clears at {figure(rule.measure, rule.clears_at)}."


def _resolved(rule: AlertRule, alert: Alert) -> Iterator[str]:
    yield f"{rule.name} is over: {_what(rule)} at {figure(rule.measure, alert.last_value)},"
    yield f"{figure(rule.measure, alert.worst_value)} at worst since {_minute(alert.began_at)}."
    if not rule.is_enabled:
        yield "The rule was switched off."


def _what(rule: AlertRule) -> str:
    with translation.override("en"):
        measured = str(rule.get_measure_display())
    return f"{measured} of {rule.route}" if rule.route else measured


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else None


def _link(alert: Alert) -> str:
    """To its page in the admin; empty where nobody has said where that is."""
    base = conf.alert_admin_url
    return f"{base.rstrip('/')}/stats/alert/{alert.pk}/change/" if base else ""
