"""Rings the doorbell when nobody else does: a thread beside the worker of the cluster.

A doorbell can be lost (a purge, a rotated SECRET_KEY), and nobody rings for a batch whose backoff or lease
has run out. Once a second this looks whether a batch is due while nobody works, and rings. It also rings
now and then when all is quiet, so that the consumer's heartbeat proves the whole way of a doorbell, and it
starts the replay of what the collector took during an outage soon after its end: the schedule would come
a minute later. And it has repairs taken up that wait, or whose process was killed.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from django.db import connections, transaction
from django_q.signals import post_spawn
from django_q.tasks import async_task

from gateway import queue, sender
from gateway.conf import conf
from gateway.deadline import deadline
from legacy_collector import collector, replay
from stats import repairs

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
IDLE_SECONDS = 10.0  # between two doorbells of an idle queue
REPLAY_SECONDS = 5.0  # between two looks at the collector, and how long one goes on
REPAIR_SECONDS = 5.0  # between two looks for repairs that nobody carries out
COMPLAINT_SECONDS = 30.0
RING_SECONDS = 2.0


def install() -> None:
    """Starts the bell in each worker that django-q2 spawns."""
    post_spawn.connect(_start, dispatch_uid="stats.bell")


def _start(**_: Any) -> None:
    # The worker adopts the journals of web processes that died, also when no web process lives.
    sender.start()
    threading.Thread(target=_run, name="tallygate-bell", daemon=True).start()


def _run() -> None:
    rung_at = replayed_at = repaired_at = complained_at = float("-inf")
    while True:
        time.sleep(TICK_SECONDS)
        now = time.monotonic()
        try:
            if look(or_idle=now - rung_at >= IDLE_SECONDS):
                rung_at = now
            if now - replayed_at >= REPLAY_SECONDS:
                replayed_at = now
                look_for_fallback()
            if now - repaired_at >= REPAIR_SECONDS:
                repaired_at = now
                repairs.start_if_left()
        except Exception as error:  # noqa: BLE001  (the bell outlives whatever the databases do)
            connections[conf.database].close()
            if now - complained_at >= COMPLAINT_SECONDS:
                logger.warning("Bell can't look at the queue: %s", " ".join(str(error).split()))
                complained_at = now


def look(*, or_idle: bool = False) -> bool:
    """Rings if a batch is due (or the queue idle) while nobody works; whether it did."""
    if not queue.is_unattended(or_idle=or_idle):
        return False
    queue.ring()
    return True


def ring() -> int:
    """Rings for whoever wants to know whether that is heard: the row of the doorbell that waits.

    It may be one that waited already; 0 if it was answered just now. Raises django.db.Error.
    """
    connection = connections[conf.database]
    with deadline(connection, RING_SECONDS), transaction.atomic(using=conf.database):
        queue.ring()
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT coalesce(max(id), 0) FROM django_q_ormq WHERE key = %s AND lock <= clock_timestamp()",
                [conf.queue.name],
            )
            return int(cursor.fetchone()[0])


def look_for_fallback() -> bool:
    """Starts a replay if the collector holds events for the queue; whether it did.

    Asked only after the queue could be looked at, so that an outage is over.
    """
    if not collector.pending():
        return False
    async_task(replay.SCHEDULED, time.time() + REPLAY_SECONDS, task_name="fallback replay")
    return True
