"""Compares the two paths by their ids, some minutes at a time, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from django.db import connections

from gateway.conf import conf
from gateway.modes import InForce, Span
from legacy_collector import held
from legacy_collector.database import CollectorRefused
from stats.verification.shapes import BOTH_WAYS, Hour

HOUR_MS = 3_600_000
# Lengths of a look, each a part of an hour, so that none reaches over its end.
STEPS_MS = (
    *(1_000, 2_000, 5_000, 10_000, 20_000, 30_000),
    *(60_000, 120_000, 300_000, 600_000, 1_200_000, 1_800_000, HOUR_MS),
)
FIRST_STEP = STEPS_MS.index(300_000)
MOST_IDS, FEWEST_IDS = 100_000, 20_000  # of one look: beyond these the next is shorter or longer
LISTED = 1_000  # ids that are named, of either side
TALLIED = 100_000  # ids whose routes are looked up, of either side

_QUEUE_IDS = """
SELECT string_agg(idempotent_id, ' ') FROM stats_event WHERE idempotent_id >= %s AND idempotent_id < %s
"""
_ROUTES = "SELECT idempotent_id, route FROM stats_event WHERE idempotent_id = ANY(%s)"
_LETTERS = "SELECT count(DISTINCT event_id) FROM stats_deadletter WHERE event_id = ANY(%s) AND state = 'dead'"


@dataclass(slots=True)
class Missing:
    """Ids that one side lacks, the first of them."""

    in_queue: list[str] = field(default_factory=list)
    in_collector: list[str] = field(default_factory=list)

    def add(self, in_queue: Iterable[str], in_collector: Iterable[str]) -> None:
        for kept, ids in ((self.in_queue, in_queue), (self.in_collector, in_collector)):
            kept.extend(sorted(ids)[: max(0, TALLIED - len(kept))])


@dataclass(slots=True)
class Compared:
    """What was found out of the ids."""

    hours: dict[tuple[datetime, InForce], Hour] = field(default_factory=dict)
    rows: Counter[datetime] = field(default_factory=Counter)  # of the queue path, in each hour
    incomplete: set[datetime] = field(default_factory=set)  # hours of which one side has no ids any more
    duplicates: int = 0
    missing: Missing = field(default_factory=Missing)


class Comparison:
    """The two sides, look by look; an hour is judged by its ids only if both sides still have them."""

    def __init__(
        self,
        spans: Sequence[Span],
        collected: Mapping[datetime, int],
        given_up_to: datetime | None,
        dropped: Container[date],
    ) -> None:
        self.found = Compared()
        self._spans = spans
        self._collected = collected  # requests that the collector counted, in each hour
        self._given_up_to = given_up_to  # the last hour of which it may have given up events
        self._dropped = dropped  # days whose rows the queue path has dropped
        self._hour: datetime | None = None
        self._begin()

    def _begin(self) -> None:
        self._parts: dict[InForce, Hour] = {}
        self._missing = Missing()
        self._held = 0  # ids that the collector has

    def run(self, since: datetime, until: datetime, progress: Callable[[float], None]) -> Compared:
        """In a transaction of the caller's. Raises CollectorRefused and django.db.Error."""
        first, last = _ms(since), _ms(until)
        for start, end, queue, collector in _looks(first, last):
            hour = datetime.fromtimestamp(start // HOUR_MS * 3600, UTC)
            if hour != self._hour:
                self._end_hour()
                self._hour = hour
            unique = set(queue)
            self.found.duplicates += len(queue) - len(unique)
            self.found.rows[hour] += len(queue)
            self._held += len(collector)
            for span in self._spans:
                self._compare(hour, span, start, end, unique, set(collector))
            progress((end - first) / (last - first))
        self._end_hour()
        return self.found

    def _end_hour(self) -> None:
        if self._hour is None:
            return
        may_be_given_up = self._given_up_to is None or self._hour <= self._given_up_to
        is_complete = not may_be_given_up or self._held >= self._collected.get(self._hour, 0)
        if is_complete and self._hour.date() not in self._dropped:
            self.found.hours |= {
                (self._hour, in_force): row
                for in_force, row in self._parts.items()
                if row.queue or row.collector
            }
            self.found.missing.add(self._missing.in_queue, self._missing.in_collector)
        else:
            self.found.incomplete.add(self._hour)
        self._begin()

    def _compare(
        self, hour: datetime, span: Span, start: int, end: int, queue: set[str], collector: set[str]
    ) -> None:
        since, until = max(start, _ms(span.since)), min(end, _ms(span.until))
        if since >= until:
            return
        if since > start or until < end:
            queue, collector = (_between(ids, since, until) for ids in (queue, collector))
        in_force = span.in_force
        if in_force.mode == "sample":
            queue, collector = (
                {key for key in ids if in_force.is_collected(key)} for ids in (queue, collector)
            )
        in_queue = collector - queue
        in_collector = queue - collector if in_force.mode in BOTH_WAYS else set()
        row = self._parts.get(in_force)
        if row is None:
            row = Hour(hour=hour, mode=in_force.mode, sample_rate=in_force.sample_rate)
            self._parts[in_force] = row
        row.queue += len(queue)
        row.collector += len(collector)
        row.missing_in_queue += len(in_queue)
        row.missing_in_collector += len(in_collector)
        row.altered += _altered(in_queue, in_collector)
        self._missing.add(in_queue, in_collector)


def _looks(first: int, last: int) -> Iterator[tuple[int, int, list[str], list[str]]]:
    """Begin and end of each look, and what either side has in it."""
    step, start = FIRST_STEP, first
    while start < last:
        length = STEPS_MS[step]
        end = min(start - start % length + length, last)
        bounds = (f"{start:013d}", f"{end:013d}")
        try:
            collector = held.ids_between(*bounds)
        except CollectorRefused:  # maybe it was too much for its time-out
            if step == 0:
                raise
            step -= 1
            continue
        queue = _queue_ids(*bounds)
        yield start, end, queue, collector
        start = end
        most = max(len(queue), len(collector))
        if most > MOST_IDS and step > 0:
            step -= 1
        elif most < FEWEST_IDS and step < len(STEPS_MS) - 1:
            step += 1


def _altered(one: set[str], other: set[str]) -> int:
    """How many of either side have a counterpart of the same millisecond: their ids differ since."""
    if not one or not other:
        return 0
    moments = Counter(key[:13] for key in one)
    return (moments & Counter(key[:13] for key in other)).total()


def _between(ids: set[str], since: int, until: int) -> set[str]:
    first, last = f"{since:013d}", f"{until:013d}"
    return {key for key in ids if first <= key < last}


def _queue_ids(first: str, last: str) -> list[str]:
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_QUEUE_IDS, [first, last])
        return (cursor.fetchone()[0] or "").split()


def routes_in_queue(ids: list[str]) -> dict[str, str]:
    """The routes of those that the queue path stored. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_ROUTES, [ids])
        return dict(cursor.fetchall())


def dead_among(ids: list[str]) -> int:
    """How many are dead letters that wait for a person. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_LETTERS, [ids])
        return int(cursor.fetchone()[0])


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
