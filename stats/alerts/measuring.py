"""What a rule's value is now. Each part of the system is asked once a look, however many rules want it."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TypeVar, cast

from django.db import Error, connections

from gateway import modes
from gateway.conf import conf
from gateway.deadline import deadline
from legacy_collector import collector
from legacy_collector.database import CollectorRefused
from stats import reports, vitals
from stats.alerts.measures import KINDS, Measure
from stats.errors import one_line
from stats.models import AlertRule
from stats.reports import InvalidFilter, Range, ReportTimedOut
from stats.reports.recent import Recent

logger = logging.getLogger(__name__)
T = TypeVar("T")

SECONDS = 0.5  # bound on each statement: the worker looks, and counting waits for it
WINDOW = timedelta(minutes=5)  # of traffic
SETTLE = timedelta(seconds=10)  # what was answered before has been counted, if nothing older waits
LATE = timedelta(minutes=10)  # of older traffic nothing is said
WEEK = timedelta(days=7)

FAILURES = (Error, OSError, ReportTimedOut, CollectorRefused, InvalidFilter)


class Unmeasurable(Exception):
    """There is no value, for a reason that is no failure: too little traffic, nothing to compare with."""


@dataclass(frozen=True)
class Measured:
    """A value, and what it is made of; None, and why it is not known. Not translated: it is stored."""

    value: float | None
    detail: str = ""


class Look:
    """One look at the system at a moment. Holds no transaction; nothing is written."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._asked: dict[Hashable, object] = {}

    def measure(self, rule: AlertRule) -> Measured:
        """Never raises what a store that is away, slow or empty does."""
        try:
            value, detail = MEASURES[rule.measure](self, rule)
        except Unmeasurable as reason:
            return Measured(None, str(reason))
        except FAILURES as failure:
            logger.warning("Alerts: %s can't be measured: %s", rule.measure, one_line(failure))
            return Measured(None, f"could not be asked: {one_line(failure)}")
        return Measured(value, detail) if math.isfinite(value) else Measured(None, "is no number")

    # --- parts, each asked once ----------------------------------------------------------------------

    @cached_property
    def vitals(self) -> vitals.Vitals:
        return vitals.take(SECONDS)

    def fallback(self) -> int:
        return self._once("fallback", collector.pending)

    def window(self) -> Range:
        """The last minutes of which all has been counted. Raises Unmeasurable."""
        backlog = self.vitals.backlog
        if backlog is None:
            raise Unmeasurable("the queue could not be asked, so what is counted may not be all")
        behind = SETTLE + timedelta(seconds=backlog.oldest_seconds)
        if behind > LATE:
            raise Unmeasurable(f"events wait to be counted since {backlog.oldest_seconds:.0f} s")
        if modes.in_force().mode == "legacy":
            raise Unmeasurable("in mode legacy nothing is counted here")
        return Range(self.now - behind - WINDOW, self.now - behind)

    def recent(self, route: str) -> Recent:
        window = self.window()
        return self._once(
            ("recent", route), lambda: _bounded(lambda: reports.recent(window, route, seconds=SECONDS))
        )

    def expected(self, route: str) -> float:
        """Requests of the window, as they were a week before."""
        window = self.window()
        before = Range(window.start - WEEK, window.end - WEEK)
        return self._once(
            ("expected", route), lambda: _bounded(lambda: reports.expected(before, route, seconds=SECONDS))
        )

    def _once(self, key: Hashable, ask: Callable[[], T]) -> T:
        """What `ask` answered or raised the first time."""
        if key not in self._asked:
            try:
                self._asked[key] = ask()
            except FAILURES as failure:
                self._asked[key] = failure
        found = self._asked[key]
        if isinstance(found, Exception):
            raise found
        return cast(T, found)


def _bounded(ask: Callable[[], T]) -> T:
    """On this side, too: a server that hangs keeps no time-out of its own."""
    connection = connections[conf.database]
    try:
        with deadline(connection, SECONDS * 4):
            return ask()
    except (Error, OSError):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        raise


Found = tuple[float, str]


def _errors(of: Callable[[Recent], int]) -> Callable[[Look, AlertRule], Found]:
    def measure(look: Look, rule: AlertRule) -> Found:
        found = _enough(look, rule)
        return 100 * of(found) / found.requests, f"{of(found):,} of {found.requests:,} requests"

    return measure


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

    def measure(look: Look, rule: AlertRule) -> Found:
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

    return measure


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
