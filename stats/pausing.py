"""A consumer that rests because a person said so: it shows signs of life and claims nothing."""

from __future__ import annotations

import logging

from django.db import connections

from gateway import queue
from gateway.conf import conf
from gateway.logs import printable

logger = logging.getLogger(__name__)


def is_paused() -> bool:
    """Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            "SELECT FROM stats_consumerheartbeat WHERE name = %s AND paused_at IS NOT NULL", [conf.queue.name]
        )
        return cursor.fetchone() is not None


def pause(by: str) -> bool:
    """What is in work is finished, then nothing more is claimed; False if it rests already.

    Raises django.db.Error.
    """
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO stats_consumerheartbeat AS heartbeat
                (name, batches, events, duplicates, dead, breaker, breaker_error, probe_pause,
                 paused_at, paused_by)
            VALUES (%s, 0, 0, 0, 0, 'closed', '', 0, clock_timestamp(), %s)
            ON CONFLICT (name) DO UPDATE SET paused_at = excluded.paused_at, paused_by = excluded.paused_by
                WHERE heartbeat.paused_at IS NULL
            """,
            [conf.queue.name, by],
        )
        has_changed = cursor.rowcount > 0
    if has_changed:
        logger.warning("Consumer paused by %s: batches wait until it is resumed", printable(by))
    return has_changed


def resume(by: str) -> bool:
    """Goes on at once; False if it did not rest. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            "UPDATE stats_consumerheartbeat SET paused_at = NULL, paused_by = ''"
            " WHERE name = %s AND paused_at IS NOT NULL",
            [conf.queue.name],
        )
        has_changed = cursor.rowcount > 0
    if has_changed:
        logger.warning("Consumer resumed by %s", printable(by))
        queue.ring()
    return has_changed
