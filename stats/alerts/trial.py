"""A rule tried out: its value now, and what that would do. Nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from stats.alerts.evaluation import bounds_of
from stats.alerts.looking import Look
from stats.alerts.machine import Message, Phase, State, step
from stats.alerts.measures import figure
from stats.alerts.measuring import measure
from stats.models import AlertRule, AlertState


@dataclass(frozen=True)
class Trial:
    """`value` and `detail` as they would be stored, and in words what follows."""

    value: str
    detail: str
    verdict: str


def trial(rule: AlertRule) -> Trial:
    """Measures now. Never raises what a store that is away does."""
    now = timezone.now()
    found = measure(Look(now), rule)
    return Trial(figure(rule.measure, found.value), found.detail, _verdict(rule, found.value, now))


def _verdict(rule: AlertRule, value: float | None, now: datetime) -> str:
    if value is None:
        return _("Not known: nothing begins and nothing ends by that.")
    after, message = step(_state(rule, now), bounds_of(rule), value, now)
    if message is Message.FIRED:
        return _("The bound is reached: the rule would fire now.")
    if message is Message.RESOLVED:
        return _("It is well again: the alert would end now.")
    text = {
        Phase.OK: _("The bound is not reached: nothing begins."),
        Phase.PENDING: _(
            "The bound is reached: it fires after %(minutes)d minutes, the cool-down permitting."
        ),
        Phase.FIRING: _("It is not well yet: the alert goes on."),
        Phase.CLEARING: _("It is well: the alert ends after %(minutes)d minutes, the cool-down permitting."),
    }[after.phase]
    return text % {"minutes": rule.hold_minutes if after.phase is Phase.PENDING else rule.clear_minutes}


def _state(rule: AlertRule, now: datetime) -> State:
    known: AlertState | None = getattr(rule, "state", None)
    return State(Phase(known.phase), known.since, known.told_at) if known else State(Phase.OK, now)
