"""The sender: one daemon thread a process that takes events off the request's hands.

An event waits a short linger for company; then all that wait leave in one transaction. What the queue
refuses goes to the legacy collector, marked for replay. What neither takes stays here and is tried again;
past `TRAFFIC_BUFFER_EVENTS` it is dropped, loudly and counted. An event leaves the buffer only after a
store committed it.
"""

from __future__ import annotations

import atexit
import logging
import os
import random
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from django.db import connections
from django.utils.module_loading import import_string

from gateway import metrics, queue, repeats
from gateway.conf import conf
from gateway.events import TrafficEvent, encode
from gateway.logs import printable

logger = logging.getLogger(__name__)

TRANSACTION_EVENTS = 5_000  # events one hand-over takes at most
RETRY_SECONDS = (0.5, 5.0)  # first and longest pause after a refusal
COMPLAINT_SECONDS = 1.0  # a flood of drops is one log line a second


@dataclass(slots=True)
class Waiting:
    """An event, and what has already taken it."""

    event: TrafficEvent
    from_edge: bool  # still to be compared with what the edge sent before
    queued: bool = False
    collected: bool = False
    for_replay: bool = False  # the collector has it marked for the queue

    def is_settled(self, mode: str) -> bool:
        """Whether every store that the mode demands has the event."""
        if mode == "legacy":
            return self.collected
        in_queue = self.queued or self.for_replay
        return in_queue and (self.collected or mode == "queue")


class Backoff:
    """How long to leave a store that refused alone: doubling, bounded, and each process its own moment."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.pause = 0.0  # seconds
        self._until = 0.0

    @property
    def is_over(self) -> bool:
        return self._now() >= self._until

    def failed(self) -> None:
        first, longest = RETRY_SECONDS
        self.pause = min(longest, self.pause * 2 or first)
        self._until = self._now() + self.pause * random.uniform(0.5, 1.0)  # noqa: S311

    def succeeded(self) -> None:
        self.pause = self._until = 0.0


class Sender:
    """The buffer of one process and the thread that empties it."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        # In the queue already, but mode `dual` owes them to a collector that refuses. Apart, so that they
        # neither stand before what the queue has not seen nor take its room.
        self._owed: deque[Waiting] = deque()
        self._in_hand: list[Waiting] = []
        self._arrived = threading.Event()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._queue_backoff = Backoff()
        self._collector_backoff = Backoff()
        self._idle_backoff = Backoff()
        self._complained_at = 0.0
        self._dropped_silently = 0

    def submit(self, event: TrafficEvent, *, from_edge: bool) -> None:
        """Takes an event over. Never blocks on a store."""
        metrics.captured.inc()
        if len(self._waiting) >= conf.buffer_events:
            self._drop(1, "the process holds TRAFFIC_BUFFER_EVENTS events already")
            return
        self._waiting.append(Waiting(event, from_edge))
        if not self._arrived.is_set():
            self._arrived.set()
        if self._thread is None:
            self._start()

    def stop(self, seconds: float) -> None:
        """Sends all that waits, within `seconds`; drops the rest, loudly. Only the first call does."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._arrived.set()
        until = time.monotonic() + seconds
        while self._thread is not None and not self._ended.is_set() and time.monotonic() < until:
            # A server's handler of a second signal raises in here; what waits is sent all the same.
            # Not `join`: once interrupted like that, it takes the thread for ended (Python 3.11, 3.12).
            with suppress(SystemExit, KeyboardInterrupt):
                self._ended.wait(max(0.0, until - time.monotonic()))
        left = len(self._waiting) + len(self._owed) + len(self._in_hand)
        if left:
            self._drop(left, "the process ended before a store took them")

    def _start(self) -> None:
        with self._starting:
            if self._thread is None and not self._stopping.is_set():
                thread = threading.Thread(target=self._run, name="tallygate-sender", daemon=True)
                thread.start()
                self._thread = thread

    def _run(self) -> None:
        try:
            self._work()
        finally:
            for alias in (conf.database, conf.legacy_database):
                connections[alias].close()
            self._ended.set()

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._arrived.wait()
            self._stopping.wait(conf.linger)
            self._arrived.clear()
            self._flush_safely()
            if self._waiting or self._owed:
                self._arrived.set()
        while (self._waiting or self._owed) and self._flush_safely():
            pass

    def _flush_safely(self) -> bool:
        """Sends what waits; whether that made progress. A refusal by every store pauses the thread."""
        try:
            progress = self.flush()
        except Exception:
            logger.exception("Sender failed; %d events wait", len(self._waiting))
            progress = False
        if progress:
            self._idle_backoff.succeeded()
        elif not self._stopping.is_set():
            self._idle_backoff.failed()
            # What only the collector refuses holds up no newcomer.
            (self._stopping if self._waiting else self._arrived).wait(self._idle_backoff.pause)
        return progress

    def flush(self) -> bool:
        """One hand-over of all that waits, up to a bound; whether anything left the buffer."""
        owed, new = _take(self._owed), _take(self._waiting)
        self._in_hand = batch = owed + new
        mode = conf.mode
        try:
            self._recognize_repeats(batch)
            if mode != "legacy":
                self._to_queue(
                    [waiting for waiting in batch if not waiting.queued and not waiting.for_replay]
                )
            self._to_collector(batch, mode)
        finally:
            # Whatever went wrong, what no store has stays, in its old place.
            kept = [waiting for waiting in new if not waiting.is_settled(mode)]
            self._waiting.extendleft([waiting for waiting in reversed(kept) if not waiting.queued])
            self._owed.extendleft([waiting for waiting in reversed(owed) if not waiting.is_settled(mode)])
            self._owed.extend([waiting for waiting in kept if waiting.queued])
            self._in_hand = []
        self._bound_owed()
        moved = any(waiting.is_settled(mode) for waiting in batch) or any(waiting.queued for waiting in new)
        return moved or not batch

    def _bound_owed(self) -> None:
        count = len(self._owed) - conf.buffer_events
        if count > 0:
            for _ in range(count):
                self._owed.pop()
            self._drop(count, "the legacy collector refuses them; the queue has them")

    def _recognize_repeats(self, batch: Sequence[Waiting]) -> None:
        edge = [waiting for waiting in batch if waiting.from_edge]
        if not edge:
            return
        try:
            resolved, count = repeats.resolve([waiting.event for waiting in edge])
        except (sqlite3.Error, OSError) as error:
            metrics.repeats_unchecked.inc(len(edge))
            logger.error("Memory of repeats: %s; %d edge requests keep their own ids", error, len(edge))
            resolved, count = [waiting.event for waiting in edge], 0
        metrics.repeats.inc(count)
        for waiting, event in zip(edge, resolved, strict=True):
            waiting.event, waiting.from_edge = event, False

    def _to_queue(self, batch: Sequence[Waiting]) -> None:
        if not batch or not self._queue_backoff.is_over:
            return
        started = time.perf_counter()
        try:
            batches = queue.send([encode(waiting.event) for waiting in batch])
        except queue.QueueRefused as refusal:
            self._queue_backoff.failed()
            logger.warning("Queue refused %d events: %s", len(batch), refusal)
            return
        self._queue_backoff.succeeded()
        for waiting in batch:
            waiting.queued = True
        metrics.sent.inc(len(batch))
        milliseconds = (time.perf_counter() - started) * 1000
        logger.info("Queue sent: %d events in %d batches, %.1f ms", len(batch), batches, milliseconds)
        _log_each("Queue sent", batch)

    def _to_collector(self, batch: Sequence[Waiting], mode: str) -> None:
        """What the mode wants collected, and what the queue refused."""
        refused: list[Waiting] = []
        wanted: list[Waiting] = []
        for waiting in batch:
            if mode != "legacy" and not waiting.queued and not waiting.for_replay:
                refused.append(waiting)
            elif mode != "queue" and not waiting.collected:
                wanted.append(waiting)
        if refused:
            self._collect(refused, mode if mode == "dual" else None, replay=True)
        if wanted and (mode == "legacy" or self._collector_backoff.is_over or self._stopping.is_set()):
            self._collect(wanted, mode, replay=False)

    def _collect(self, part: Sequence[Waiting], reason: str | None, *, replay: bool) -> None:
        reasons = {name for name in (reason, "fallback" if replay else None) if name}
        try:
            collect = import_string(conf.collector)
            collect([waiting.event for waiting in part], reasons, replay=replay)
        except Exception as error:  # noqa: BLE001  (a collector of the user's own may raise anything)
            self._collector_backoff.failed()
            logger.error("Legacy collector refused %d events: %s", len(part), printable(str(error)))
            return
        self._collector_backoff.succeeded()
        for waiting in part:
            waiting.collected, waiting.for_replay = True, replay
        metrics.collected.inc(len(part))
        if replay:
            metrics.fallback.inc(len(part))
            logger.warning("Fallback: %d events to the legacy collector", len(part))
            _log_each("Fallback", part)

    def _drop(self, count: int, reason: str) -> None:
        metrics.dropped.inc(count)
        self._dropped_silently += count
        if time.monotonic() - self._complained_at >= COMPLAINT_SECONDS or self._stopping.is_set():
            logger.critical("Dropped %d events: %s", self._dropped_silently, reason)
            self._complained_at, self._dropped_silently = time.monotonic(), 0


def _take(events: deque[Waiting]) -> list[Waiting]:
    return [events.popleft() for _ in range(min(len(events), TRANSACTION_EVENTS))]


def _log_each(what: str, batch: Sequence[Waiting]) -> None:
    if not conf.log_events:
        return
    for waiting in batch:
        event = waiting.event
        logger.info(
            "%s: %s | Path: %s | Status: %d", what, event.idempotent_id, printable(event.path), event.status
        )


_sender = Sender()


def submit(event: TrafficEvent, *, from_edge: bool = False) -> None:
    """Hands an event to this process's sender."""
    _sender.submit(event, from_edge=from_edge)


def flush_at_exit() -> None:
    """Sends what waits before the process ends, within `TRAFFIC_EXIT_TIMEOUT`."""
    _sender.stop(conf.exit_timeout)


def _begin_anew() -> None:
    """A forked child has the parent's buffer but not its thread: what waits there is the parent's to send."""
    global _sender
    _sender = Sender()


atexit.register(flush_at_exit)
os.register_at_fork(after_in_child=_begin_anew)
