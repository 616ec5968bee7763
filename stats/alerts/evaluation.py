"""One look at everything that rules measure, and what follows: states, alerts, and messages that wait.

Measuring only reads and holds no lock. What follows is one transaction on the locked states, by the
database's clock: a change of a state, its alert and its messages are there together or not at all, and of two
that look at the same time the second goes on from what the first one made of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connections
from django.db.models import F, Q

from gateway.conf import conf
from gateway.deadline import deadline
from gateway.logs import printable
from gateway.queue.transactions import bounded_transaction
from stats.alerts import incidents, machine, measuring
from stats.alerts.incidents import Outcome
from stats.alerts.looking import Look
from stats.alerts.measures import figure
from stats.alerts.measuring import Measured
from stats.models import AlertRule, AlertState

logger = logging.getLogger(__name__)

SECONDS = 2.0  # for all measures together; a rule that was not reached comes first the next time
WRITE_SECONDS = 1.0  # bound on each statement beside them, and on waiting for who evaluates just now

NOT_REACHED = Measured(None, "no time was left for it")
SWITCHED_OFF = Measured(None, "the rule is switched off")
WRITTEN = ["phase", "since", "told_at", "measured_at", "value", "detail"]


def evaluate() -> list[Outcome]:
    """Evaluates each rule that is on, or whose alert is open still. Raises django.db.Error, OSError."""
    connection = connections[conf.database]
    with deadline(connection, WRITE_SECONDS * 4), bounded_transaction(WRITE_SECONDS):
        rules, now = _wanted(), _database_now()
    if not rules:
        return []
    measured = _measure(rules, now)
    with deadline(connection, WRITE_SECONDS * 8):
        outcomes = record(rules, measured)
    for outcome in outcomes:
        _log(outcome)
    return outcomes


def record(rules: Sequence[AlertRule], measured: dict[int, Measured]) -> list[Outcome]:
    """Steps the rules' states by their values, and writes what follows. Raises django.db.Error."""
    with bounded_transaction(WRITE_SECONDS):
        states, now = _locked(rules), _database_now()
        outcomes = [_step(rule, states[rule.pk], measured[rule.pk], now) for rule in rules]
        incidents.write(outcomes, now)
        AlertState.objects.using(conf.database).bulk_update(states.values(), WRITTEN)
    return outcomes


def bounds_of(rule: AlertRule) -> machine.Bounds:
    """What a rule asks of the machine."""
    return machine.Bounds(
        fires_at=rule.bound,
        clears_at=rule.clears_at,
        hold=timedelta(minutes=rule.hold_minutes),
        clear=timedelta(minutes=rule.clear_minutes),
        cool_down=timedelta(minutes=rule.cool_down_minutes),
    )


def _wanted() -> list[AlertRule]:
    """Those that were not evaluated for the longest time come first."""
    matters = Q(is_enabled=True) | (Q(state__isnull=False) & ~Q(state__phase=AlertState.Phase.OK))
    rules = AlertRule.objects.using(conf.database).filter(matters).prefetch_related("channels")
    return list(rules.order_by(F("state__measured_at").asc(nulls_first=True), "pk"))


def _measure(rules: Sequence[AlertRule], now: datetime) -> dict[int, Measured]:
    look, ends_at = Look(now), time.monotonic() + SECONDS
    found: dict[int, Measured] = {}
    for rule in rules:
        if not rule.is_enabled:
            found[rule.pk] = SWITCHED_OFF
        else:
            found[rule.pk] = measuring.measure(look, rule) if time.monotonic() < ends_at else NOT_REACHED
    return found


def _locked(rules: Sequence[AlertRule]) -> dict[int, AlertState]:
    """The states, made where there are none, and held until the transaction ends."""
    rows = AlertState.objects.using(conf.database)
    keys = [rule.pk for rule in rules]
    rows.bulk_create([AlertState(rule_id=key) for key in sorted(keys)], ignore_conflicts=True)
    # In one order, so that two that evaluate can't deadlock.
    return {row.pk: row for row in rows.filter(pk__in=keys).order_by("pk").select_for_update()}


def _step(rule: AlertRule, row: AlertState, measured: Measured, now: datetime) -> Outcome:
    """The outcome, put into the row, too."""
    before = machine.State(machine.Phase(row.phase), row.since, row.told_at)
    if rule.is_enabled:
        after, message = machine.step(before, bounds_of(rule), measured.value, now)
    else:
        after, message = machine.switch_off(before, bounds_of(rule), now)
    row.phase, row.since, row.told_at = after.phase.value, after.since, after.told_at
    row.measured_at, row.value, row.detail = now, measured.value, measured.detail
    return Outcome(rule, measured, before, after, message)


def _database_now() -> datetime:
    with connections[conf.database].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def _log(outcome: Outcome) -> None:
    if outcome.message is not None:
        logger.warning(
            "Alert %s: %s | Value: %s (%s) | Channels: %d",
            outcome.message.value,
            printable(outcome.rule.name),
            figure(outcome.rule.measure, outcome.measured.value),
            printable(outcome.measured.detail),
            len(outcome.rule.channels.all()),
        )
