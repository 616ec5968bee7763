"""What keeps the collector's database from growing without end.

Events that wait to be replayed are never given up. The others go when they are `LEGACY_RETENTION_DAYS`
old, or earlier, oldest first, where the store holds `LEGACY_MAX_EVENTS`: so a mode that collects
everything (`dual`, `legacy`) keeps the latest events, and only a store full of waiting ones refuses.
Hourly counts outlive the events; their bound is the same number of rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from django.db.backends.base.base import BaseDatabaseWrapper

from gateway.conf import conf
from legacy_collector.database import reading, writing
from legacy_collector.models import CollectedEvent, CollectedHourly

SLICE = 1_000  # rows one transaction deletes
COUNT_SECONDS = 10.0  # how long a count of the rows is believed while there is room
FULL_SECONDS = 1.0  # and while there is none

# The outer condition is asked again of a row that somebody marked meanwhile.
DELETE_EVENTS = """
DELETE FROM legacy_collector_collectedevent WHERE NOT replay_pending AND idempotent_id IN (
    SELECT idempotent_id FROM legacy_collector_collectedevent
    WHERE NOT replay_pending AND collected_at < %s ORDER BY collected_at LIMIT %s)
"""
DELETE_HOURS = """
DELETE FROM legacy_collector_collectedhourly WHERE id IN (
    SELECT id FROM legacy_collector_collectedhourly ORDER BY hour LIMIT %s)
"""
CLOCK_ERROR = timedelta(days=1)  # hosts that share a server may disagree on the time


class Occupancy:
    """How full the store is, without counting a million rows for each call.

    A count is believed for some seconds, corrected by what this process changed. So the bound may be
    passed by what other processes add within that time, and by one hand-over of each.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._events = 0
        self._counted_at: float | None = None

    def is_full(self) -> bool:
        """Whether `LEGACY_MAX_EVENTS` is reached. Raises CollectorRefused."""
        believed = FULL_SECONDS if self._events >= conf.collector_events else COUNT_SECONDS
        if self._counted_at is None or self._now() - self._counted_at > believed:
            self.count()
        return self._events >= conf.collector_events

    def count(self) -> int:
        """The events in the store, counted now. Raises CollectorRefused."""
        with reading() as connection:
            self._events = CollectedEvent.objects.using(connection.alias).count()
        self._counted_at = self._now()
        return self._events

    def changed(self, events: int) -> None:
        """Takes note of events this process added (or, negative, deleted)."""
        self._events += events


occupancy = Occupancy()


def evict(connection: BaseDatabaseWrapper, events: int) -> int:
    """Makes room for `events` more in the caller's transaction; how many were given up.

    Somewhat more than asked for, so that a full store is not trimmed by every single call.
    """
    return _delete_events(connection, None, events + SLICE)


def expire(now: datetime, limit_seconds: float | None = None) -> int:
    """Deletes what is too old or past the bound, in short transactions; how many events went.

    Stops after `limit_seconds`. Raises CollectorRefused.
    """
    until = None if limit_seconds is None else time.monotonic() + limit_seconds
    cutoff = now - timedelta(days=conf.collector_days)
    aged = _in_slices(lambda rows: _expire(cutoff, rows), None, until)
    surplus = _in_slices(lambda rows: _expire(None, rows), occupancy.count() - conf.collector_events, until)
    occupancy.changed(-surplus)
    _in_slices(_expire_hours, _count_hours() - conf.collector_events, until)
    return aged + surplus


def _in_slices(delete: Callable[[int], int], rows: int | None, until: float | None) -> int:
    """Calls `delete` until it has deleted `rows` (None: all there are) or the time is up."""
    total = 0
    while rows is None or total < rows:
        wanted = SLICE if rows is None else min(SLICE, rows - total)
        deleted = delete(wanted)
        total += deleted
        if deleted < wanted or (until is not None and time.monotonic() >= until):
            break
    return total


def _expire(cutoff: datetime | None, rows: int) -> int:
    with writing() as connection:
        return _delete_events(connection, cutoff, rows)


def _delete_events(connection: BaseDatabaseWrapper, cutoff: datetime | None, rows: int) -> int:
    """The oldest `rows` events nobody waits for; only those collected before `cutoff` if there is one."""
    before = connection.ops.adapt_datetimefield_value(cutoff or datetime.now(UTC) + CLOCK_ERROR)
    with connection.cursor() as cursor:
        cursor.execute(DELETE_EVENTS, [before, rows])
        return cursor.rowcount


def _count_hours() -> int:
    with reading() as connection:
        return CollectedHourly.objects.using(connection.alias).count()


def _expire_hours(rows: int) -> int:
    with writing() as connection, connection.cursor() as cursor:
        cursor.execute(DELETE_HOURS, [rows])
        return cursor.rowcount
