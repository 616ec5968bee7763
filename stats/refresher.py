"""Makes the snapshot anew beside the counting: a thread of the worker, which counting never waits for.

The consumer says how many batches it has counted, the schedule that time has passed; whether it is time for a
new snapshot is decided here. One is made at most every few seconds, so a flood of batches costs no more of
the worker than a trickle. What fails here changes nothing else: readers see the snapshot's age grow.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connections
from django_q.signals import post_spawn

from gateway.conf import conf
from stats.errors import one_line

logger = logging.getLogger(__name__)

BATCHES = 10  # after so many it is time for a new one
PAUSE = 5.0  # seconds between two, at least


def _refresh() -> None:
    from stats import snapshot  # here: it loads numpy, and all processes of the cluster import this module

    snapshot.refresh()


class Refresher:
    """Refreshes after BATCHES batches, or when it is asked to, with a PAUSE between.

    Without its thread (outside of a worker) it only counts.
    """

    def __init__(self, refresh: Callable[[], object] = _refresh) -> None:
        self._refresh = refresh
        self._batches = 0
        self._wanted = threading.Event()

    def counted(self, batches: int) -> None:
        """So many batches are counted and committed."""
        self._batches += batches
        if self._batches >= BATCHES:
            self.ask()

    def ask(self) -> None:
        """A new one is wanted, now or as soon as the pause is over."""
        self._wanted.set()

    def run(self, sleep: Callable[[float], None] = time.sleep) -> None:
        """The thread: never ends, and survives whatever the database does."""
        while True:
            self._wanted.wait()
            # Before the refresh: what is counted during it is wanted in the next one.
            self._wanted.clear()
            self._batches = 0
            self._make()
            sleep(PAUSE)

    def _make(self) -> None:
        try:
            self._refresh()
        except Exception as error:  # noqa: BLE001  (the thread outlives whatever the database does)
            logger.warning("Snapshot not refreshed: %s", one_line(error))
        finally:
            # Seconds pass until the next one: its connection is worth more to others.
            connections[conf.database].close()


_refresher = Refresher()
counted = _refresher.counted
ask = _refresher.ask


def install() -> None:
    """Starts the thread in each worker that django-q2 spawns."""
    post_spawn.connect(_start, dispatch_uid="stats.refresher")


def _start(**_: Any) -> None:
    threading.Thread(target=_refresher.run, name="tallygate-snapshot", daemon=True).start()
