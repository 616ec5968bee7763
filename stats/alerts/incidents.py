"""What follows from a step: an alert is opened, followed, closed, and a message waits for who must know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.conf import conf
from stats.alerts import messages, outbox
from stats.alerts.machine import Message, Phase, State
from stats.alerts.measuring import Measured
from stats.models import Alert, AlertChannel, AlertRule


@dataclass(frozen=True)
class Outcome:
    """What a look made of a rule."""

    rule: AlertRule
    measured: Measured
    before: State
    after: State
    message: Message | None


def write(outcomes: Sequence[Outcome], now: datetime) -> None:
    """Inside the transaction that writes the states. Raises django.db.Error."""
    concerned = [one for one in outcomes if one.after.phase.is_open or one.message]
    if not concerned:
        return
    rows = Alert.objects.using(conf.database).filter(
        rule__in=[one.rule.pk for one in concerned], ended_at=None
    )
    opened = {alert.rule_id: alert for alert in rows}
    for outcome in concerned:
        alert = opened.get(outcome.rule.pk) or _open(outcome, now)
        _follow(alert, outcome, now)
        if outcome.message is not None:
            content = messages.of_alert(outcome.rule, alert, outcome.message, outcome.measured.detail)
            outbox.put(open_channels(outcome.rule), outcome.message, content, now, alert)


def open_channels(rule: AlertRule) -> list[AlertChannel]:
    """Where its messages go."""
    return [channel for channel in rule.channels.all() if channel.is_enabled]


def _open(outcome: Outcome, now: datetime) -> Alert:
    value = outcome.measured.value or 0.0
    was_pending = outcome.before.phase is Phase.PENDING
    return Alert(
        rule=outcome.rule,
        severity=outcome.rule.severity,
        bound=outcome.rule.bound,
        began_at=min(outcome.before.since, now) if was_pending else now,
        worst_value=value,
        last_value=value,
    )


def _follow(alert: Alert, outcome: Outcome, now: datetime) -> None:
    value = outcome.measured.value
    if value is not None:
        alert.last_value, alert.worst_value = value, max(value, alert.worst_value)
    if not outcome.after.phase.is_open:
        alert.ended_at = now
    # Not the rest: a person may acknowledge it just now.
    fields = None if alert._state.adding else ["last_value", "worst_value", "ended_at"]
    alert.save(using=conf.database, update_fields=fields)
