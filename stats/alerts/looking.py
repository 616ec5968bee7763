"""One look at the system: each of its parts is asked once, however many rules want it, in bounded time."""

from __future__ import annotations

from collections.abc import Callable, Hashable
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
from stats.reports import InvalidFilter, Range, ReportTimedOut
from stats.reports.recent import Recent

T = TypeVar("T")

SECONDS = 0.5  # bound on each statement: the worker looks, and counting waits for it
WINDOW = timedelta(minutes=5)  # of traffic
SETTLE = timedelta(seconds=10)  # what was answered before has been counted, if nothing older waits
LATE = timedelta(minutes=10)  # of older traffic nothing is said
WEEK = timedelta(days=7)

FAILURES = (Error, OSError, ReportTimedOut, CollectorRefused, InvalidFilter)


class Unmeasurable(Exception):
    """There is no value, for a reason that is no failure: too little traffic, nothing to compare with."""


class Look:
    """At a moment. Holds no transaction, and writes nothing. Its parts raise FAILURES and Unmeasurable."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self._asked: dict[Hashable, object] = {}

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
