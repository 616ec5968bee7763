"""Batches that a person puts back: they may wait, and can be taken out again until they are counted."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db import connections

from gateway.conf import conf
from gateway.queue import doorbell
from gateway.queue.transactions import fetch

# A batch that waits enters the queue when its wait is over: until then it is no backlog that grows old.
_INSERT = """
INSERT INTO gateway_queuedbatch (id, payload, events, max_deliveries, visible_at, created_at)
SELECT id, payload, events, %s, due, due
FROM unnest(%s::bigint[], %s::text[], %s::int[]) AS batch (id, payload, events),
    (SELECT clock_timestamp() + make_interval(secs => %s)) AS moment (due)
"""

# Uncounted as long as its row is there, since counting deletes it in its own transaction; and whoever counts
# holds the row (`hold`), so that one of the two finds it gone. What is locked is under work: left alone.
_DELETE = """
DELETE FROM gateway_queuedbatch
WHERE id IN (SELECT id FROM gateway_queuedbatch WHERE id = ANY(%s) ORDER BY id FOR UPDATE SKIP LOCKED)
RETURNING id
"""

_HASTEN = """
UPDATE gateway_queuedbatch SET visible_at = moment.now, created_at = least(created_at, moment.now)
FROM (SELECT clock_timestamp() AS now) AS moment
WHERE id = ANY(%s) AND visible_at > moment.now
"""


def put_back(batches: Sequence[tuple[str, int]], delay: float = 0.0) -> list[int]:
    """Queues whole payloads, each with its number of events, to be delivered in `delay` seconds; their ids.

    In the caller's transaction. Raises django.db.Error.
    """
    payloads, events = [payload for payload, _ in batches], [count for _, count in batches]
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('gateway_queuedbatch', 'id')) FROM generate_series(1, %s)",
            [len(batches)],
        )
        ids = [row[0] for row in cursor.fetchall()]
        cursor.execute(_INSERT, [conf.queue.max_retries + 1, ids, payloads, events, delay])
    if ids and not delay:  # the bell beside the worker rings for what waits when its time has come
        doorbell.ring()
    return ids


def take_out(ids: Collection[int]) -> set[int]:
    """Takes those of these batches out that are still whole, uncounted and under nobody's hands; their ids.

    In the caller's transaction; waits for nobody. Raises django.db.Error.
    """
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_DELETE, [list(ids)])
        return {row[0] for row in cursor.fetchall()}


def hasten(ids: Collection[int]) -> int:
    """Has these delivered at once, if they wait; how many did. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_HASTEN, [list(ids)])
        hastened = int(cursor.rowcount)
    if hastened:
        doorbell.ring()
    return hastened


def due_in(batch: int) -> float | None:
    """Seconds until it is delivered, 0 if that may be now; None if it is counted, taken out or in parts."""
    row = fetch(
        "SELECT (SELECT greatest(0, extract(epoch FROM visible_at - clock_timestamp()))::float8"
        " FROM gateway_queuedbatch WHERE id = %s)",
        [batch],
    )
    return None if row[0] is None else float(row[0])
