"""The queue: a table of batches in PostgreSQL, and a django-q2 task as its doorbell.

The only module that touches `QueuedBatch`, and the only producer-side use of django-q2. A doorbell that
is lost, doubled or late does no harm, since whoever runs drains all that is due.

A batch is claimed (its delivery counted and committed), then worked on in a second transaction that holds
its row (`hold`), and ends in one of four ways: `finish`, `retry`, `halve` or, where the environment
failed, `give_back`.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zlib import crc32

from django.db import Error, connections, transaction
from django.db.backends.utils import CursorWrapper
from django_q.tasks import async_task

from gateway.conf import conf
from gateway.deadline import deadline
from gateway.events import encode_batch

MAX_DOORBELLS = 100  # that may wait at once
CANDIDATES = 200  # rows a claim looks at
WORK_SECONDS = 20.0  # bound on one transaction of the consumer
LOCK_SECONDS = 5.0  # bound on waiting for another consumer, or for somebody's lock


_DUE = "EXISTS (SELECT FROM gateway_queuedbatch WHERE visible_at <= clock_timestamp())"


class QueueRefused(Exception):
    """The queue did not take the events, or did not say so in time. Sending them again is safe."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery of a batch. `deliveries` counts this one; `token` proves that it is still ours."""

    id: int
    token: uuid.UUID
    payload: str
    events: int
    deliveries: int
    max_deliveries: int
    created_at: datetime
    first_failed_at: datetime | None
    origin: int  # the batch it is a part of; itself if it is whole
    claimed_at: float  # seconds since the epoch, by the database's clock

    @property
    def is_last_delivery(self) -> bool:
        return self.deliveries >= self.max_deliveries


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits: batches, events, and for how many seconds the oldest has."""

    batches: int
    events: int
    oldest_seconds: float


# --- producer --------------------------------------------------------------------------------------


def send(events: Sequence[bytes]) -> int:
    """Queues encoded events and rings, in one transaction; the number of batches.

    Raises QueueRefused when PostgreSQL can't be reached, refuses or takes longer than
    `TRAFFIC_SEND_TIMEOUT`. A connection that broke while it lay idle is replaced once.
    """
    batches = [
        (encode_batch(batch).decode(), len(batch)) for batch in _chunks(events, conf.queue.max_batch_size)
    ]
    _hand_over(batches)
    return len(batches)


def send_unreadable(payloads: Sequence[bytes]) -> None:
    """Queues what is no event, each as a batch of its own, for the consumer to bury. Raises QueueRefused."""
    texts = [payload.decode("utf-8", "backslashreplace").replace("\x00", "\\x00") for payload in payloads]
    _hand_over([(text, 1) for text in texts])


def _hand_over(batches: Sequence[tuple[str, int]]) -> None:
    connection = connections[conf.database]
    was_open = connection.connection is not None
    tried_at = time.monotonic()
    try:
        _enqueue_in_time(batches)
    except Exception as error:
        connection.close()
        # A server that took long to fail is not asked twice: the bound holds for the whole hand-over.
        took_long = time.monotonic() - tried_at > conf.send_timeout / 4
        if took_long or not (_is_transient(error) or (was_open and _is_broken(error))):
            raise QueueRefused(_one_line(error)) from error
    else:
        return
    try:
        _enqueue_in_time(batches)
    except Exception as error:
        connection.close()
        raise QueueRefused(_one_line(error)) from error


def _enqueue_in_time(batches: Sequence[tuple[str, int]]) -> None:
    # The server's own bound is the shorter one: its answer says more than a connection that is cut.
    with deadline(connections[conf.database], conf.send_timeout), _transaction(conf.send_timeout * 0.9):
        enqueue(batches)


def enqueue(batches: Sequence[tuple[str, int]]) -> None:
    """Queues whole payloads, each with its number of events, and rings; in the caller's transaction.

    Raises django.db.Error.
    """
    _execute(
        "INSERT INTO gateway_queuedbatch (payload, events, max_deliveries)"
        " SELECT payload, events, %s FROM unnest(%s::text[], %s::int[]) AS batch (payload, events)",
        [
            conf.queue.max_retries + 1,
            [payload for payload, _ in batches],
            [events for _, events in batches],
        ],
    )
    ring()


def ring() -> None:
    """Rings the doorbell, in the caller's transaction if there is one. Raises django.db.Error.

    Where many doorbells wait already nobody listens, and one more would only make the table grow.
    """
    waiting = _fetch(
        "SELECT count(*) FROM (SELECT FROM django_q_ormq WHERE key = %s AND lock <= clock_timestamp()"
        " LIMIT %s) AS doorbell",
        [conf.queue.name, MAX_DOORBELLS],
    )
    if waiting[0] < MAX_DOORBELLS:
        async_task(conf.consumer, task_name=conf.queue.name)


# --- consumer --------------------------------------------------------------------------------------


def claim(*, probe: bool = False) -> list[Claimed]:
    """Counts a delivery of what is due, oldest first, and commits that before anyone works on it.

    Batches on their first delivery come together, up to
    `TRAFFIC_TRANSACTION_EVENTS`. One that has failed before, and a half of one, comes alone: whatever it
    does, its neighbours must not suffer twice. A `probe` is one batch, rather one that never failed. Raises
    django.db.Error.
    """
    token = uuid.uuid4()
    with _transaction(WORK_SECONDS) as cursor:
        _exclude_other_consumers(cursor)
        cursor.execute(
            """
            SELECT id, events, deliveries > 0 FROM gateway_queuedbatch
            WHERE visible_at <= clock_timestamp()
            ORDER BY %s AND first_failed_at IS NOT NULL, visible_at, id LIMIT %s FOR UPDATE SKIP LOCKED
            """,
            [probe, 1 if probe else CANDIDATES],
        )
        chosen = _choose(cursor.fetchall(), conf.transaction_events)
        if not chosen:
            return []
        cursor.execute(
            """
            UPDATE gateway_queuedbatch SET deliveries = deliveries + 1, claim = %s,
                   visible_at = clock_timestamp() + make_interval(secs => %s)
            WHERE id = ANY(%s)
            RETURNING id, claim, payload, events, deliveries, max_deliveries, created_at, first_failed_at,
                      coalesce(origin, id), extract(epoch FROM clock_timestamp())::float8
            """,
            [token, conf.lease, chosen],
        )
        return sorted((Claimed(*row) for row in cursor.fetchall()), key=lambda claimed: claimed.id)


def _choose(candidates: Sequence[tuple[int, int, bool]], limit: int) -> list[int]:
    """The head of the queue alone if it must be, otherwise with as many whole batches as fit."""
    chosen: list[int] = []
    events = 0
    for batch_id, size, alone in candidates:
        if chosen and (alone or events + size > limit):
            continue
        chosen.append(batch_id)
        events += size
        if alone:
            break
    return chosen


def hold(claims: Sequence[Claimed]) -> list[Claimed]:
    """Locks the rows of these deliveries; those that are still ours. To be called in the work transaction."""
    with connections[conf.database].cursor() as cursor:
        _limit(cursor, WORK_SECONDS)
        _exclude_other_consumers(cursor)
        cursor.execute(
            "SELECT id FROM gateway_queuedbatch WHERE id = ANY(%s) AND claim = %s ORDER BY id FOR UPDATE",
            _keys(claims),
        )
        ours = {row[0] for row in cursor.fetchall()}
    return [claimed for claimed in claims if claimed.id in ours]


def finish(claims: Sequence[Claimed]) -> None:
    """Deletes the batches; in the transaction that stored their events."""
    _execute("DELETE FROM gateway_queuedbatch WHERE id = ANY(%s) AND claim = %s", _keys(claims))


def retry(claimed: Claimed, error: str, delay: float) -> None:
    """Leaves the batch for its next delivery, `delay` seconds from now."""
    _execute(
        "UPDATE gateway_queuedbatch SET visible_at = clock_timestamp() + make_interval(secs => %s),"
        " first_failed_at = coalesce(first_failed_at, clock_timestamp()), last_error = %s"
        " WHERE id = %s AND claim = %s",
        [delay, error, claimed.id, claimed.token],
    )


def give_back(claims: Sequence[Claimed], error: str, delay: float, *, failed: bool = False) -> None:
    """Takes the delivery back, as if it had not been: the environment failed, not the batch.

    `delay` is in seconds; `failed` remembers that it did fail. Without effect on batches that were finished
    or claimed again meanwhile.
    """
    _execute(
        "UPDATE gateway_queuedbatch SET deliveries = deliveries - 1, claim = NULL, last_error = %s,"
        " first_failed_at = CASE WHEN %s THEN coalesce(first_failed_at, clock_timestamp())"
        " ELSE first_failed_at END,"
        " visible_at = clock_timestamp() + make_interval(secs => %s) WHERE id = ANY(%s) AND claim = %s",
        [error, failed, delay, *_keys(claims)],
    )


def halve(claimed: Claimed, events: Sequence[bytes], error: str) -> None:
    """Replaces the batch by its two halves, each to be delivered once more; in the caller's transaction."""
    middle = len(events) // 2
    finish([claimed])
    for half in (events[:middle], events[middle:]):
        _insert_part(claimed, half, error, deliveries=claimed.deliveries, more=1)


def put_off(claimed: Claimed, events: Sequence[bytes], reason: str, delay: float) -> None:
    """Queues some of the batch's events anew, to be delivered `delay` seconds from now."""
    _insert_part(claimed, events, reason, deliveries=0, more=conf.queue.max_retries + 1, delay=delay)


def _insert_part(
    claimed: Claimed, events: Sequence[bytes], error: str, *, deliveries: int, more: int, delay: float = 0.0
) -> None:
    _execute(
        "INSERT INTO gateway_queuedbatch (payload, events, deliveries, max_deliveries, created_at,"
        " first_failed_at, origin, last_error, visible_at)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))",
        [
            encode_batch(events).decode(),
            len(events),
            deliveries,
            deliveries + more,
            claimed.created_at,
            claimed.first_failed_at,
            claimed.origin,
            error,
            delay,
        ],
    )


# --- looking ---------------------------------------------------------------------------------------


def depth() -> Depth:
    """What waits, the batch under work included."""
    row = _fetch(
        "SELECT count(*), coalesce(sum(events), 0),"
        " coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) FROM gateway_queuedbatch"
    )
    return Depth(batches=int(row[0]), events=int(row[1]), oldest_seconds=max(0.0, float(row[2])))


def is_due() -> bool:
    """Whether a batch waits to be claimed now."""
    return bool(_fetch(f"SELECT {_DUE}")[0])


def is_unattended(*, or_idle: bool = False) -> bool:
    """Whether a batch is due (or the queue idle, if asked so) while nobody works and no doorbell waits."""
    with _transaction(LOCK_SECONDS) as cursor:
        cursor.execute(
            f"SELECT pg_try_advisory_xact_lock(%s) AND (%s OR {_DUE})"  # noqa: S608
            " AND NOT EXISTS (SELECT FROM django_q_ormq WHERE key = %s AND lock <= clock_timestamp())",
            [lock_key(), or_idle, conf.queue.name],
        )
        return bool(cursor.fetchone()[0])


# --- inside ----------------------------------------------------------------------------------------


@contextmanager
def _transaction(seconds: float) -> Iterator[CursorWrapper]:
    """A transaction with bounded statements and lock waits, and its cursor."""
    with transaction.atomic(using=conf.database), connections[conf.database].cursor() as cursor:
        _limit(cursor, seconds)
        yield cursor


def _limit(cursor: CursorWrapper, seconds: float) -> None:
    cursor.execute(
        "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)",
        [f"{seconds * 1000:.0f}", f"{min(seconds, LOCK_SECONDS) * 1000:.0f}"],
    )


def _exclude_other_consumers(cursor: CursorWrapper) -> None:
    """One consumer at a time. A transaction's lock, since a session's does not survive a pooler."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key()])


def lock_key() -> int:
    return crc32(conf.queue.name.encode())


def _keys(claims: Sequence[Claimed]) -> list[Any]:
    """The ids of one claim's batches, and its token."""
    return [[claimed.id for claimed in claims], claims[0].token]


def _chunks(events: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    return (events[start : start + size] for start in range(0, len(events), size))


def _execute(sql: str, parameters: Sequence[Any]) -> None:
    with connections[conf.database].cursor() as cursor:
        cursor.execute(sql, parameters)


def _fetch(sql: str, parameters: Sequence[Any] | None = None) -> tuple[Any, ...]:
    with connections[conf.database].cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()


def _is_transient(error: BaseException) -> bool:
    """Whether the same transaction would succeed by itself: it met a deadlock or failed to serialize."""
    return getattr(error.__cause__, "sqlstate", None) in ("40001", "40P01")


def _is_broken(error: BaseException) -> bool:
    """Whether the connection itself failed (no SQLSTATE, or the server's word that it ends it)."""
    state = getattr(error.__cause__, "sqlstate", None)
    return isinstance(error, Error) and (state is None or state.startswith(("08", "57P")))


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
