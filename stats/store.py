"""What one transaction of the consumer stores: the unseen events, and just those rolled up.

Everything is derived from the events that really are inserted, so a redelivery, a duplicate inside a batch,
the same event in two batches or a replay changes nothing. They are looked for first and then come by COPY,
which writes rows many at a time: INSERT … ON CONFLICT DO NOTHING takes twice as long
(docs/performance.md). The primary key vouches for the look.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from gateway.conf import conf
from gateway.events import TrafficEvent
from stats import days
from stats.partitions import day_of, days_of
from stats.rollups import Rollup

COPIED_AT_ONCE = 1_000  # events; PostgreSQL works on these while the next ones are written

FIELDS = (
    *("idempotent_id", "timestamp", "path", "route", "method", "status", "response_time"),
    *("client_ip_hash", "request_id", "host", "user_agent", "response_bytes", "country"),
)
_COPY = "COPY stats_event ({}) FROM STDIN".format(", ".join(f'"{name}"' for name in FIELDS))
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})  # of COPY's text format

# The bounds let PostgreSQL leave out all other partitions. As a subquery the array is no constant, whose
# thousands of elements the planner would look at one by one.
_STORED = """
SELECT idempotent_id FROM stats_event WHERE idempotent_id BETWEEN %s AND %s
AND idempotent_id = ANY ((SELECT string_to_array(%s, ','))::text[])
"""

_SAME_REQUESTS = """
SELECT idempotent_id, path, request_id FROM stats_event WHERE idempotent_id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of some events: the ids that were new, and the events that could not be stored."""

    inserted: set[str]
    collisions: Sequence[TrafficEvent] = ()  # share an id with another request
    late: Sequence[TrafficEvent] = ()  # of a day whose events were dropped


def store(events: Sequence[TrafficEvent], meanwhile: Callable[[], None] | None = None) -> Stored:
    """Inserts the unseen ones and rolls them up, in the caller's transaction. Raises django.db.Error.

    `meanwhile` is called while PostgreSQL inserts, if there is anything to insert; it must not use the
    database.
    Another writer of the same events makes it fail by their primary key. The consumer tries again, and then
    finds them stored.
    """
    if not events:
        return Stored(set())
    wanted = days_of(events)
    opened = days.open_days(wanted)
    countable, late = (events, []) if opened == wanted else _parted(events, opened)
    if not countable:
        return Stored(set(), late=late)
    unseen = _unseen(countable)
    if unseen:
        _count(list(unseen.values()), meanwhile)
    collisions = [] if len(unseen) == len(countable) else _collisions(countable)
    return Stored(set(unseen), collisions, late)


def _count(events: Sequence[TrafficEvent], meanwhile: Callable[[], None] | None) -> None:
    """Inserts events that are not stored yet, and rolls them up."""
    rollup = Rollup(events)
    inserting = _insert(rollup.events)
    try:
        rollup.calculate()
        if meanwhile is not None:
            meanwhile()
    finally:
        inserting.result()
    rollup.write()


def _parted(
    events: Sequence[TrafficEvent], opened: Collection[date]
) -> tuple[list[TrafficEvent], list[TrafficEvent]]:
    """The events of opened days, and the others."""
    countable = [event for event in events if day_of(event.timestamp) in opened]
    return countable, [event for event in events if day_of(event.timestamp) not in opened]


def _unseen(events: Sequence[TrafficEvent]) -> dict[str, TrafficEvent]:
    """Those that are not stored yet, by id: of events that share one, the first."""
    first: dict[str, TrafficEvent] = {}
    for event in events:
        first.setdefault(event.idempotent_id, event)
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_STORED, [min(first), max(first), ",".join(first)])
        for row in cursor.fetchall():
            del first[row[0]]
    return first


def _insert(events: Sequence[TrafficEvent]) -> Future[None]:
    """Begins to insert them; whoever asks for the result waits for the end. Raises django.db.Error.

    In a thread, so that the events are rolled up meanwhile: PostgreSQL and Python each have work to do.
    """
    connection = connections[conf.database]
    connection.ensure_connection()
    return _thread().submit(_copy, connection, connection.connection, events)


def _copy(
    wrapper: BaseDatabaseWrapper, connection: psycopg.Connection[Any], events: Sequence[TrafficEvent]
) -> None:
    # Not a cursor of Django's, whose connections belong to one thread.
    with wrapper.wrap_database_errors, connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        for start in range(0, len(events), COPIED_AT_ONCE):
            copy.write(_lines(events[start : start + COPIED_AT_ONCE]))


@lru_cache(maxsize=1)
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="tallygate-copy")


def _lines(events: Sequence[TrafficEvent]) -> str:
    """Rows of `FIELDS` in COPY's text format."""
    lines = "".join(
        [
            f"{event.idempotent_id}\t{event.timestamp}\t{event.path}\t{event.route}\t{event.method}"
            f"\t{event.status}\t{event.response_time}\t{event.client_ip_hash}\t{event.request_id}"
            f"\t{event.host}\t{event.user_agent}\t{event.response_bytes}\t{event.country}\n"
            for event in events
        ]
    )
    is_plain = (
        lines.count("\n") == len(events)
        and lines.count("\t") == len(events) * (len(FIELDS) - 1)
        and "\\" not in lines
        and "\r" not in lines
    )
    return lines if is_plain else "".join(map(_escaped, events))


def _escaped(event: TrafficEvent) -> str:
    values = (str(getattr(event, name)).translate(_ESCAPES) for name in FIELDS)
    return "\t".join(values) + "\n"


def _collisions(events: Sequence[TrafficEvent]) -> list[TrafficEvent]:
    """Events whose id is stored for another path or request id: 32 bits of hash in one millisecond."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_SAME_REQUESTS, [[event.idempotent_id for event in events]])
        stored = {row[0]: (row[1], row[2]) for row in cursor.fetchall()}
    return [event for event in events if stored.get(event.idempotent_id) != (event.path, event.request_id)]
