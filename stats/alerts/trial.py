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
    kind: str  # of a label


def trial(rule: AlertRule) -> Trial:
    """Measures now. Never raises what a store that is away does."""
    now = timezone.now()
    found = measure(Look(now), rule)
    if found.value is None:
        verdict = _("Not known: nothing begins and nothing ends by that.")
        return Trial(figure(rule.measure, None), found.detail, verdict, "")
    before = _state(rule, now)
    after, message = step(before, bounds_of(rule), found.value, now)
    verdict, kind = _verdict(rule, before, after, message)
    return Trial(figure(rule.measure, found.value), found.detail, verdict, kind)


def _state(rule: AlertRule, now: datetime) -> State:
    known: AlertState | None = getattr(rule, "state", None)
    return State(Phase(known.phase), known.since, known.told_at) if known else State(Phase.OK, now)


def _verdict(rule: AlertRule, before: State, after: State, message: Message | None) -> tuple[str, str]:
    """In words, and the kind of their label."""
    if message is Message.FIRED:
        return _("The bound is reached: the rule would fire now."), "danger"
    if message is Message.RESOLVED:
        return _("It is well again: the alert would end now."), "success"
    if after.phase is Phase.PENDING:
        text = _(
            "The bound is reached: it fires after %(minutes)d minutes of that, or when the cool-down is over."
        )
        return text % {"minutes": rule.hold_minutes}, "warning"
    if after.phase is Phase.CLEARING:
        text = _(
            "It is well: the alert ends after %(minutes)d minutes of that, or when the cool-down is over."
        )
        return text % {"minutes": rule.clear_minutes}, "info"
    if after.phase is Phase.FIRING:
        return _("It is not well yet: the alert goes on."), "danger"
    return _("The bound is not reached: nothing begins."), "success"
