"""What a rule's value is now."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar, cast

from stats.alerts.looking import FAILURES, WINDOW, Look, Unmeasurable
from stats.alerts.measures import KINDS, Measure
from stats.errors import one_line
from stats.models import AlertRule
from stats.reports.recent import Recent

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """A value, and what it is made of; None, and why it is not known. Not translated: it is stored."""

    value: float | None
    detail: str = ""


def measure(look: Look, rule: AlertRule) -> Measured:
    """Never raises what a store that is away, slow or empty does."""
    try:
        value, detail = MEASURES[rule.measure](look, rule)
    except Unmeasurable as reason:
        return Measured(None, str(reason))
    except FAILURES as failure:
        logger.warning("Alerts: %s can't be measured: %s", rule.measure, one_line(failure))
        return Measured(None, f"could not be asked: {one_line(failure)}")
    return Measured(value, detail) if math.isfinite(value) else Measured(None, "is no number")


Found = tuple[float, str]


def _errors(of: Callable[[Recent], int]) -> Callable[[Look, AlertRule], Found]:
    def found_of(look: Look, rule: AlertRule) -> Found:
        found = _enough(look, rule)
        return 100 * of(found) / found.requests, f"{of(found):,} of {found.requests:,} requests"

    return found_of


def _p95(look: Look, rule: AlertRule) -> Found:
    found = _enough(look, rule)
    return cast(float, found.p95), f"of {found.requests:,} requests"


def _enough(look: Look, rule: AlertRule) -> Recent:
    found = look.recent(rule.route)
    if found.requests < max(1, rule.minimum_requests):
        raise Unmeasurable(f"{found.requests:,} requests in five minutes are too few to say")
    return found


def _change(sign: int) -> Callable[[Look, AlertRule], Found]:
    """How much more (or, with -1, less) traffic there is than a week before, in percent of that."""

    def found_of(look: Look, rule: AlertRule) -> Found:
        if look.fallback():
            raise Unmeasurable("events wait in the fallback, so what is counted is not all")
        minutes = WINDOW / timedelta(minutes=1)
        now, before = look.recent(rule.route).a_minute, look.expected(rule.route) / minutes
        if not before:
            raise Unmeasurable("a week before nothing was counted at this hour")
        if max(now, before) * minutes < rule.minimum_requests:
            raise Unmeasurable(f"{now:,.1f} requests a minute, {before:,.1f} a week before: too few to say")
        detail = f"{now:,.1f} requests a minute, {before:,.1f} a week before"
        return sign * 100 * (now - before) / before, detail

    return found_of


def _backlog(look: Look, rule: AlertRule) -> Found:
    found = _known(look.vitals.backlog)
    return found.events, f"in {found.batches:,} batches"


def _oldest(look: Look, rule: AlertRule) -> Found:
    found = _known(look.vitals.backlog)
    return found.oldest_seconds, f"{found.events:,} events in {found.batches:,} batches"


def _letters(look: Look, rule: AlertRule) -> Found:
    found = {reason: count for reason, count in _known(look.vitals.dead_letters).items() if count}
    return sum(found.values()), ", ".join(f"{reason}: {count:,}" for reason, count in sorted(found.items()))


def _silence(look: Look, rule: AlertRule) -> Found:
    if look.vitals.consumer is None and look.vitals.database_up and not look.vitals.problems:
        raise Unmeasurable("the consumer has not run yet")
    return _known(look.vitals.consumer).heartbeat_age_seconds, ""


def _fallback(look: Look, rule: AlertRule) -> Found:
    return look.fallback(), ""


def _known(part: T | None) -> T:
    if part is None:
        raise Unmeasurable("the database could not be asked in time")
    return part


MEASURES: dict[str, Callable[[Look, AlertRule], Found]] = {
    Measure.SERVER_ERROR_RATE: _errors(lambda found: found.server_errors),
    Measure.ERROR_RATE: _errors(lambda found: found.errors),
    Measure.P95: _p95,
    Measure.TRAFFIC_JUMP: _change(+1),
    Measure.TRAFFIC_DROP: _change(-1),
    Measure.BACKLOG: _backlog,
    Measure.OLDEST_AGE: _oldest,
    Measure.DEAD_LETTERS: _letters,
    Measure.HEARTBEAT_AGE: _silence,
    Measure.FALLBACK: _fallback,
}
assert MEASURES.keys() == KINDS.keys()
