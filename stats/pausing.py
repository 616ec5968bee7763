"""A consumer that rests because a person said so: it shows signs of life and claims nothing."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import connections

from gateway import queue
from gateway.conf import conf
from gateway.logs import printable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pause:
    """Since when, who said so, and why."""

    at: datetime
    by: str
    note: str


def pause_in_force() -> Pause | None:
    """Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            "SELECT paused_at, paused_by, paused_note FROM stats_consumerheartbeat"
            " WHERE name = %s AND paused_at IS NOT NULL",
            [conf.queue.name],
        )
        row = cursor.fetchone()
    return Pause(*row) if row else None


def is_paused() -> bool:
    """Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            "SELECT FROM stats_consumerheartbeat WHERE name = %s AND paused_at IS NOT NULL", [conf.queue.name]
        )
        return cursor.fetchone() is not None


def pause(by: str, note: str = "") -> bool:
    """What is in work is finished, then nothing more is claimed; False if it rests already.

    A row says so, so it holds until somebody resumes, whatever is started anew meanwhile.

    Raises django.db.Error.
    """
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO stats_consumerheartbeat AS heartbeat
                (name, batches, events, duplicates, dead, breaker, breaker_error, probe_pause,
                 paused_at, paused_by, paused_note)
            VALUES (%s, 0, 0, 0, 0, 'closed', '', 0, clock_timestamp(), %s, %s)
            ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at,
                paused_by = excluded.paused_by, paused_note = excluded.paused_note
                WHERE heartbeat.paused_at IS NULL
            """,
            [conf.queue.name, by, note],
        )
        has_changed = cursor.rowcount > 0
    if has_changed:
        logger.warning("Consumer paused by %s: batches wait until it is resumed", printable(by))
    return has_changed


def resume(by: str) -> bool:
    """Goes on at once; False if it did not rest. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            "UPDATE stats_consumerheartbeat SET paused_at = NULL, paused_by = '', paused_note = ''"
            " WHERE name = %s AND paused_at IS NOT NULL",
            [conf.queue.name],
        )
        has_changed = cursor.rowcount > 0
    if has_changed:
        logger.warning("Consumer resumed by %s", printable(by))
        queue.ring()
    return has_changed
