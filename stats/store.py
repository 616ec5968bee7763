"""The one statement that counts: insert unseen events, roll up just those.

Everything is derived from the rows that the INSERT really inserted (`RETURNING`), so a redelivery, a
duplicate inside a batch, the same event in two batches or a replay changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connections

from gateway.conf import conf
from gateway.events import TrafficEvent, encode, encode_batch

# The events come as one JSON parameter and PostgreSQL takes them apart: no row of them is built in Python.
# Rollup rows are touched in the order of their key, so that two writers could never wait for each other.
_STORE = """
WITH received AS (
    SELECT * FROM json_to_recordset(%s::json) AS event (
        idempotent_id text, "timestamp" bigint, path text, route text, method text, status smallint,
        response_time float8, client_ip_hash text, request_id text, host text, user_agent text,
        response_bytes bigint, country text)
), inserted AS (
    INSERT INTO stats_event (idempotent_id, "timestamp", path, route, method, status, response_time,
                             client_ip_hash, request_id, host, user_agent, response_bytes, country)
    SELECT idempotent_id, "timestamp", path, route, method, status, response_time,
           client_ip_hash, request_id, host, user_agent, response_bytes, country
    FROM received
    ON CONFLICT DO NOTHING
    RETURNING idempotent_id, "timestamp", route, status, response_time, response_bytes
), rolled_up AS (
    INSERT INTO stats_pathstatshourly AS stats (
        route, hour, requests, errors, status_1xx, status_2xx, status_3xx, status_4xx, status_5xx,
        response_time_sum, response_time_min, response_time_max, response_bytes)
    SELECT route, to_timestamp("timestamp" / 3600000 * 3600), count(*),
           count(*) FILTER (WHERE status >= 400),
           count(*) FILTER (WHERE status < 200),
           count(*) FILTER (WHERE status BETWEEN 200 AND 299),
           count(*) FILTER (WHERE status BETWEEN 300 AND 399),
           count(*) FILTER (WHERE status BETWEEN 400 AND 499),
           count(*) FILTER (WHERE status >= 500),
           sum(response_time), min(response_time), max(response_time), sum(response_bytes)
    FROM inserted GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (route, hour) DO UPDATE SET
        requests = stats.requests + excluded.requests,
        errors = stats.errors + excluded.errors,
        status_1xx = stats.status_1xx + excluded.status_1xx,
        status_2xx = stats.status_2xx + excluded.status_2xx,
        status_3xx = stats.status_3xx + excluded.status_3xx,
        status_4xx = stats.status_4xx + excluded.status_4xx,
        status_5xx = stats.status_5xx + excluded.status_5xx,
        response_time_sum = stats.response_time_sum + excluded.response_time_sum,
        response_time_min = least(stats.response_time_min, excluded.response_time_min),
        response_time_max = greatest(stats.response_time_max, excluded.response_time_max),
        response_bytes = stats.response_bytes + excluded.response_bytes
)
SELECT coalesce(array_agg(idempotent_id), '{}') FROM inserted
"""

_SAME_REQUESTS = """
SELECT idempotent_id, path, request_id FROM stats_event WHERE idempotent_id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of some events: the ids that were new, and the events that only share an id."""

    inserted: set[str]
    collisions: list[TrafficEvent]


def store(events: Sequence[TrafficEvent]) -> Stored:
    """Inserts the unseen ones and rolls them up, in the caller's transaction. Raises django.db.Error."""
    if not events:
        return Stored(set(), [])
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_STORE, [encode_batch([encode(event) for event in events]).decode()])
        inserted = set(cursor.fetchone()[0])
    return Stored(inserted, [] if len(inserted) == len(events) else _collisions(events))


def _collisions(events: Sequence[TrafficEvent]) -> list[TrafficEvent]:
    """Events whose id is stored for another path or request id: 32 bits of hash in one millisecond."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_SAME_REQUESTS, [[event.idempotent_id for event in events]])
        stored = {row[0]: (row[1], row[2]) for row in cursor.fetchall()}
    return [event for event in events if stored.get(event.idempotent_id) != (event.path, event.request_id)]
