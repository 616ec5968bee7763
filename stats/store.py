"""What one transaction of the consumer stores: the unseen events, and just those rolled up.

Everything is derived from the rows that the INSERT really inserted (`RETURNING`), so a redelivery, a
duplicate inside a batch, the same event in two batches or a replay changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connections

from gateway.conf import conf
from gateway.events import TrafficEvent, encode, encode_batch
from stats import days, rollups, route_cap
from stats.partitions import day_of

# The events come as one JSON parameter and PostgreSQL takes them apart: no row of them is built in Python.
_INSERT = """
INSERT INTO stats_event (idempotent_id, "timestamp", path, route, method, status, response_time,
                         client_ip_hash, request_id, host, user_agent, response_bytes, country)
SELECT * FROM json_to_recordset(%s::json) AS event (
    idempotent_id text, "timestamp" bigint, path text, route text, method text, status smallint,
    response_time float8, client_ip_hash text, request_id text, host text, user_agent text,
    response_bytes bigint, country text)
ON CONFLICT DO NOTHING
RETURNING idempotent_id
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


def store(events: Sequence[TrafficEvent]) -> Stored:
    """Inserts the unseen ones and rolls them up, in the caller's transaction. Raises django.db.Error."""
    if not events:
        return Stored(set())
    opened = days.open_days({day_of(event.timestamp) for event in events})
    countable = [event for event in events if day_of(event.timestamp) in opened]
    late = [event for event in events if day_of(event.timestamp) not in opened]
    if not countable:
        return Stored(set(), late=late)
    capped = route_cap.apply(countable)
    inserted = _insert(capped)
    rollups.add(_first_of_each(capped, inserted))
    collisions = [] if len(inserted) == len(countable) else _collisions(countable)
    return Stored(inserted, collisions, late)


def _insert(events: Sequence[TrafficEvent]) -> set[str]:
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_INSERT, [encode_batch([encode(event) for event in events]).decode()])
        return {row[0] for row in cursor.fetchall()}


def _first_of_each(events: Sequence[TrafficEvent], inserted: set[str]) -> list[TrafficEvent]:
    """The events that were inserted: of those that share an id it was the first."""
    found: dict[str, TrafficEvent] = {}
    for event in events:
        if event.idempotent_id in inserted:
            found.setdefault(event.idempotent_id, event)
    return list(found.values())


def _collisions(events: Sequence[TrafficEvent]) -> list[TrafficEvent]:
    """Events whose id is stored for another path or request id: 32 bits of hash in one millisecond."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_SAME_REQUESTS, [[event.idempotent_id for event in events]])
        stored = {row[0]: (row[1], row[2]) for row in cursor.fetchall()}
    return [event for event in events if stored.get(event.idempotent_id) != (event.path, event.request_id)]
