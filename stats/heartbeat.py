"""The consumer's sign of life and its totals: one row, written in the transactions that it counts."""

from __future__ import annotations

import os
from dataclasses import dataclass

from django.db import connections

from gateway import queue
from gateway.conf import conf
from gateway.deadline import deadline

STALE_SECONDS = 30.0  # an idle consumer beats every few seconds
SPAN_SECONDS = 5.0  # events a second are of a span of this length, or of the time between two beats
LOOK_SECONDS = 2.0  # a database that hangs must not hang who looks

_started_in: int | None = None  # the process that has told when it started


@dataclass(frozen=True)
class Signs:
    """What the database knows of a consumer's life."""

    beat: str | None  # the last beat, by the database's clock; to be compared for equality only
    is_due: bool  # whether a batch waits to be claimed
    is_busy: bool  # whether the database executes a statement of a consumer's transaction
    has_doorbell: bool  # whether the doorbell that was asked for still waits, or isn't acknowledged


_LEFT = "(heartbeat.span_events + excluded.events + excluded.duplicates + excluded.dead)"
_SPAN = "extract(epoch FROM clock_timestamp() - heartbeat.span_at)"
_SPAN_ENDS = f"{_SPAN} >= {SPAN_SECONDS}"


def beat(batches: int = 0, events: int = 0, duplicates: int = 0, dead: int = 0) -> None:
    """Says that the consumer lives, and adds to what it has done. Raises django.db.Error.

    With batches it adds the seconds since the beginning of the transaction, too.
    """
    global _started_in
    is_first = _started_in != os.getpid()
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO stats_consumerheartbeat AS heartbeat
                (name, batches, events, duplicates, dead, seconds, started_at,
                 breaker, breaker_error, probe_pause)
            VALUES (%s, %s, %s, %s, %s,
                CASE WHEN %s THEN extract(epoch FROM clock_timestamp() - now()) ELSE 0 END,
                clock_timestamp(), 'closed', '', 0)
            ON CONFLICT (name) DO UPDATE SET
                beat_at = clock_timestamp(),
                per_second = CASE WHEN {_SPAN_ENDS} THEN {_LEFT} / {_SPAN} ELSE heartbeat.per_second END,
                span_events = CASE WHEN {_SPAN_ENDS} THEN 0 ELSE {_LEFT} END,
                span_at = CASE WHEN {_SPAN_ENDS} THEN clock_timestamp() ELSE heartbeat.span_at END,
                started_at = CASE WHEN %s THEN excluded.started_at ELSE heartbeat.started_at END,
                batches = heartbeat.batches + excluded.batches,
                events = heartbeat.events + excluded.events,
                duplicates = heartbeat.duplicates + excluded.duplicates,
                dead = heartbeat.dead + excluded.dead,
                seconds = heartbeat.seconds + excluded.seconds
            """,  # noqa: S608 (constants of this module)
            [conf.queue.name, batches, events, duplicates, dead, batches > 0, is_first],
        )
    _started_in = os.getpid()


def age() -> float | None:
    """Seconds since the last beat; None if there never was one. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            "SELECT extract(epoch FROM clock_timestamp() - beat_at)::float8"
            " FROM stats_consumerheartbeat WHERE name = %s",
            [conf.queue.name],
        )
        row = cursor.fetchone()
    return None if row is None else max(0.0, row[0])


# A transaction of a consumer holds the queue's advisory lock. One whose statement waits for its client, or
# that has no statement at all, may belong to a process that was stopped in the middle.
_IS_BUSY = """
    EXISTS (
        SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
        WHERE locktype = 'advisory' AND granted AND classid = 0 AND objid = %s AND objsubid = 1
          AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND state = 'active' AND wait_event_type IS DISTINCT FROM 'Client'
    )
"""


def signs(doorbell: int | None = None) -> Signs:
    """Looks for signs of life, and for one doorbell by its row in django-q2's queue.

    Bounded in time. Raises django.db.Error and OSError.
    """
    connection = connections[conf.database]
    with deadline(connection, LOOK_SECONDS), connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT beat_at::text FROM stats_consumerheartbeat WHERE name = %s),"  # noqa: S608
            f" EXISTS (SELECT FROM django_q_ormq WHERE id = %s), {_IS_BUSY}",
            [conf.queue.name, doorbell, queue.lock_key()],
        )
        last, has_doorbell, is_busy = cursor.fetchone()
        return Signs(beat=last, is_due=queue.is_due(), is_busy=is_busy, has_doorbell=has_doorbell)


def readiness() -> str | None:
    """For `/readyz`: what is wrong with the consumer, or None."""
    seconds = age()
    if seconds is None:
        return "the consumer has not run yet"
    if seconds > STALE_SECONDS:
        return f"the consumer last showed a sign of life {seconds:.0f} s ago"
    return None
