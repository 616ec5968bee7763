"""Events go into the queue by the same way as live ones, as fast as they leave it again.

The consumer takes the oldest batch first: what an import has queued, live events wait behind. So there
is a bound on what may wait.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from django.db import Error, connections

from gateway import queue
from gateway.conf import conf

logger = logging.getLogger(__name__)

EVENTS_A_SEND = 2_000  # one transaction of about a megabyte, well within TRAFFIC_SEND_TIMEOUT
DEFAULT_MAX_WAITING = 20_000
POLL_SECONDS = 0.05
RETRY_SECONDS = 1.0
STALLED_SECONDS = 15.0


class QueueAway(Exception):
    """The queue took nothing for too long. What it took before is safe."""


class HandOver:
    """Collects encoded events and queues them while fewer than `max_waiting` wait there."""

    def __init__(
        self, max_waiting: int, patience: float = 60.0, on_wait: Callable[[], None] = lambda: None
    ) -> None:
        self.waited = 0.0  # seconds, for the queue to empty
        self.queued = 0
        self._max_waiting = max_waiting
        self._patience = patience  # seconds that the queue may refuse
        self._on_wait = on_wait
        self._events: list[bytes] = []

    def add(self, event: bytes) -> bool:
        """Takes an event; whether that made it send. Raises QueueAway."""
        self._events.append(event)
        if len(self._events) < min(EVENTS_A_SEND, self._max_waiting):
            return False
        self.flush()
        return True

    def flush(self) -> None:
        """Queues what was collected. Raises QueueAway."""
        if not self._events:
            return
        ends_at = time.monotonic() + self._patience
        while True:
            try:
                # Time spent here is no refusal: whoever waits for room has a queue that answers.
                ends_at += self._await_room()
                queue.send(self._events)
                break
            except (queue.QueueRefused, Error) as error:
                connections[conf.database].close()
                if time.monotonic() > ends_at:
                    raise QueueAway(f"the queue refuses: {error}") from error
                self._on_wait()
                time.sleep(RETRY_SECONDS)
        self.queued += len(self._events)
        self._events = []

    def _await_room(self) -> float:
        """Waits while the queue holds too much; seconds. Raises django.db.Error."""
        started = changed_at = time.monotonic()
        waiting = before = queue.depth().events
        while waiting and waiting + len(self._events) > self._max_waiting:
            self._on_wait()
            time.sleep(POLL_SECONDS)
            before, waiting = waiting, queue.depth().events
            now = time.monotonic()
            if waiting != before:
                changed_at = now
            elif now - changed_at > STALLED_SECONDS:
                logger.warning(
                    "%d events wait in the queue and become no fewer: is the worker running?", waiting
                )
                changed_at = now
        seconds = time.monotonic() - started
        self.waited += seconds
        return seconds
