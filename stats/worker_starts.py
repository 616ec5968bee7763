"""The history of the worker's starts, for whoever asks later what went wrong meanwhile.

Only the worker itself writes it, from a thread of its own: neither counting nor the supervisor ever waits
for it. While PostgreSQL is away the thread tries again, so the start is written later, with the time at which
it was. If the worker ends before that, its start is in the log only, as each one is.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connections
from django_q.signals import post_spawn, pre_execute

from gateway.conf import conf
from gateway.deadline import deadline
from gateway.starts import Cause, Start
from stats.errors import one_line
from stats.lineage import Lineage

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0  # between two tries
COMPLAINT_SECONDS = 30.0
WRITE_SECONDS = 2.0
ORDINARY = (Cause.STARTED, Cause.RECYCLED)

# By the database's clock, as all other times that are compared with it.
_INSERT = """
INSERT INTO stats_workerstart (started_at, host, pid, cause, reason)
VALUES (clock_timestamp() - make_interval(secs => %s), %s, %s, %s, %s)
"""


def install() -> None:
    """Has each worker that django-q2 spawns write down its start. To be called before the first fork."""
    lineage = Lineage()

    def spawned(**_: Any) -> None:
        start = lineage.succeed() or Start.heard(os.environ)
        level = logging.INFO if start.cause in ORDINARY else logging.WARNING
        logger.log(level, "Worker started, process %d: %s", os.getpid(), start)
        _write_beside(start)

    def begins_task(**_: Any) -> None:
        lineage.count_task()

    # Not weakly: nobody else knows these two.
    post_spawn.connect(spawned, weak=False, dispatch_uid="stats.worker_starts")
    pre_execute.connect(begins_task, weak=False, dispatch_uid="stats.worker_starts")


def _write_beside(start: Start) -> None:
    arguments = (start, time.monotonic())
    thread = threading.Thread(target=_keep_trying, args=arguments, name="tallygate-start", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # no more threads here, and a receiver that raises ends the worker
        logger.warning("Start not written: %s", error)


def write(start: Start, seconds_ago: float) -> None:
    """Adds this process's start to the history. Bounded in time. Raises django.db.Error and OSError."""
    connection = connections[conf.database]
    with deadline(connection, WRITE_SECONDS), connection.cursor() as cursor:
        cursor.execute(
            _INSERT, [seconds_ago, socket.gethostname(), os.getpid(), start.cause.value, start.reason]
        )


def _keep_trying(start: Start, began: float, sleep: Callable[[float], None] = time.sleep) -> None:
    """The thread: ends once the start is written, and survives whatever the database does."""
    complained_at = float("-inf")
    while True:
        try:
            write(start, time.monotonic() - began)
            return
        except Exception as error:  # noqa: BLE001  (a database that is away fails in many ways)
            if time.monotonic() - complained_at >= COMPLAINT_SECONDS:
                complained_at = time.monotonic()
                logger.warning("Start not written yet, it will be tried again: %s", one_line(error))
        finally:
            # The thread's own, and of no more use to it, or broken.
            connections[conf.database].close()
        sleep(PAUSE_SECONDS)
