"""The consumer's sign of life and its totals: one row, written in the transactions that it counts."""

from __future__ import annotations

from django.db import connections

from gateway.conf import conf

STALE_SECONDS = 30.0  # an idle consumer beats every few seconds


def beat(batches: int = 0, events: int = 0, duplicates: int = 0, dead: int = 0) -> None:
    """Says that the consumer lives, and adds to what it has done. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO stats_consumerheartbeat AS heartbeat
                (name, batches, events, duplicates, dead, breaker, breaker_error, probe_pause)
            VALUES (%s, %s, %s, %s, %s, 'closed', '', 0)
            ON CONFLICT (name) DO UPDATE SET
                beat_at = clock_timestamp(),
                batches = heartbeat.batches + excluded.batches,
                events = heartbeat.events + excluded.events,
                duplicates = heartbeat.duplicates + excluded.duplicates,
                dead = heartbeat.dead + excluded.dead
            """,
            [conf.queue.name, batches, events, duplicates, dead],
        )


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


def readiness() -> str | None:
    """For `/readyz`: what is wrong with the consumer, or None."""
    seconds = age()
    if seconds is None:
        return "the consumer has not run yet"
    if seconds > STALE_SECONDS:
        return f"the consumer last showed a sign of life {seconds:.0f} s ago"
    return None
