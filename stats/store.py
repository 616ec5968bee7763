"""What one transaction of the consumer stores: the unseen events, and just those rolled up.

Everything is derived from the events that really are inserted, so a redelivery, a duplicate inside a batch,
the same event in two batches or a replay changes nothing. They are looked for first and then come by COPY,
which writes rows many at a time: INSERT … ON CONFLICT DO NOTHING takes twice as long
(docs/performance.md). The primary key vouches for the look.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

from django.db import connections
from psycopg.copy import LibpqWriter

from gateway.conf import conf
from gateway.events import TrafficEvent
from stats import days
from stats.partitions import day_of, days_of
from stats.rollups import Rollup

Piece = Callable[[], object]  # of work, for about a millisecond at most

SENT_AT_ONCE = 100  # events; a fraction of a millisecond to write, and less than a socket's buffer

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


def store(events: Sequence[TrafficEvent], beside: Sequence[Piece] = ()) -> Stored:
    """Inserts the unseen ones and rolls them up, in the caller's transaction. Raises django.db.Error.

    `beside` is done while PostgreSQL inserts, if there is anything to insert; it must neither use the
    database nor raise.
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
        rollup = Rollup(list(unseen.values()))
        _insert(rollup.events, [*rollup.pieces(), *beside])
        rollup.write()
    collisions = [] if len(unseen) == len(countable) else _collisions(countable)
    return Stored(set(unseen), collisions, late)


def _parted(
    events: Sequence[TrafficEvent], opened: Collection[date]
) -> tuple[list[TrafficEvent], list[TrafficEvent]]:
    """The events of opened days, and the others."""
    countable = [event for event in events if day_of(event.timestamp) in opened]
    return countable, [event for event in events if day_of(event.timestamp) not in opened]


def _unseen(events: Sequence[TrafficEvent]) -> dict[str, TrafficEvent]:
    """Those that are not stored yet, by id: of events that share one, the first."""
    first = {event.idempotent_id: event for event in events}
    if len(first) < len(events):  # of those that share an id the last one is there
        first.update((event.idempotent_id, event) for event in reversed(events))
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_STORED, [min(first), max(first), ",".join(first)])
        for row in cursor.fetchall():
            del first[row[0]]
    return first


def _insert(events: Sequence[TrafficEvent], pieces: Sequence[Piece]) -> None:
    """Inserts them, and does the pieces of work meanwhile: PostgreSQL and Python both have enough to do.

    Not in threads, which would wait for each other: a little is sent, then a little done.
    """
    connection = connections[conf.database]
    connection.ensure_connection()
    waiting = iter(pieces)
    share = math.ceil(len(pieces) / math.ceil(len(events) / SENT_AT_ONCE))
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        # What PostgreSQL can't take yet stays in libpq's buffer until the next lines push it on, and at last
        # the end: waiting for it is what should not be.
        writer = LibpqWriter(cursor, flush_threshold=sys.maxsize)
        with cursor.copy(_COPY, writer=writer) as copy:
            for start in range(0, len(events), SENT_AT_ONCE):
                copy.write(_lines(events[start : start + SENT_AT_ONCE]))
                for piece in islice(waiting, share):
                    piece()


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
