"""The sender: one daemon thread a process that takes requests' facts off their hands.

They are written to the journal, then wait a short linger for company, while events are made of them; then all
leave in one transaction (`delivery`). What no store takes stays here and is tried again; past
`TRAFFIC_BUFFER_EVENTS` it stays in the journal only, or, without one, is dropped, loudly and counted. An
event leaves the buffer, and the journal, only after a store committed it. The thread also adopts the journals
of processes that died.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from contextlib import suppress

from django.db import connections

from gateway import metrics, modes
from gateway.capture import event_of
from gateway.conf import conf
from gateway.delivery import Backoff, Delivery, Waiting
from gateway.events import TrafficEvent
from gateway.facts import Countable, Facts, write_down
from gateway.journal import Journal
from gateway.segments import Adopted
from gateway.timings import ID, timings

logger = logging.getLogger(__name__)

TRANSACTION_EVENTS = 5_000  # events one hand-over takes at most
STEP_SECONDS = 0.04  # between two looks at what came
ADOPT_SECONDS = 3.0  # between two looks for orphaned journals
COMPLAINT_SECONDS = 1.0  # a flood of drops is one log line a second


class Sender:
    """The buffer of one process and the thread that empties it."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()
        # In the queue already, but mode `dual` owes them to a collector that refuses. Apart, so that they
        # neither stand before what the queue has not seen nor take its room.
        self._owed: deque[Waiting] = deque()
        self._in_hand: list[Waiting] = []
        self._uncounted: deque[None] = deque()  # one for each event that `captured` has yet to be told of
        self._journal = Journal()
        self._delivery = Delivery()
        self._arrived = threading.Event()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._idle_backoff = Backoff()
        self._looked_at = float("-inf")
        self._complained_at = 0.0
        self._dropped_silently = 0

    def submit(self, what: Countable, *, from_edge: bool) -> None:
        """Takes an event over, or the facts that make one. Never blocks on a store."""
        self._uncounted.append(None)
        what, encoded = write_down(what)
        segment = self._journal.append(encoded, from_edge=from_edge)
        if len(self._waiting) < conf.buffer_events:
            self._waiting.append(Waiting(what, from_edge, segment))
        elif segment is not None:
            metrics.spilled.inc()
            self._journal.spill(segment)
        else:
            self._drop(1, "the process holds TRAFFIC_BUFFER_EVENTS events already")
        if not self._arrived.is_set():
            self._arrived.set()
        if self._thread is None:
            self.start()

    def start(self) -> None:
        """Starts the thread, which adopts journals even if this process captures nothing."""
        with self._starting:
            if self._thread is None and not self._stopping.is_set():
                thread = threading.Thread(target=self._run, name="tallygate-sender", daemon=True)
                thread.start()
                self._thread = thread

    def stop(self, seconds: float) -> None:
        """Sends all that waits, within `seconds`; leaves the rest to the journal, or drops it, loudly.

        Only the first call does.
        """
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
        self._count_captured()
        left = [*self._waiting, *self._owed, *self._in_hand]
        kept = sum(waiting.segment is not None for waiting in left)
        if kept:
            logger.warning("Journal: %d events stay there, no store took them before the process ended", kept)
        if len(left) > kept:
            self._drop(len(left) - kept, "the process ended before a store took them")
        self._journal.stop()

    def forget(self) -> None:
        """In a forked child: what waits, and its journal, is the parent's."""
        self._journal.forget()

    def _run(self) -> None:
        try:
            self._work()
        finally:
            for alias in (conf.database, conf.legacy_database):
                connections[alias].close()
            self._ended.set()

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._arrived.wait(None if conf.journal == "off" else ADOPT_SECONDS)
            self._adopt_safely()
            if self._waiting or self._owed:
                self._linger()
                self._arrived.clear()
                self._flush_safely()
                if self._waiting or self._owed:
                    self._arrived.set()
            else:
                self._arrived.clear()
                if self._waiting:  # arrived between the look and the clearing
                    self._arrived.set()
        while (self._waiting or self._owed) and self._flush_safely():
            pass

    def _linger(self) -> None:
        """Waits for company, and makes events of what comes meanwhile.

        A few at a time: in one go, before the hand-over, that would keep the interpreter's lock from requests
        for as long as they take altogether.
        """
        until = time.monotonic() + conf.linger
        while (left := until - time.monotonic()) > 0 and not self._stopping.wait(min(left, STEP_SECONDS)):
            for number, waiting in enumerate(reversed(list(self._waiting))):
                if isinstance(waiting.what, TrafficEvent):
                    break  # and all before it
                with suppress(Exception):  # the hand-over says so
                    started = time.perf_counter()
                    waiting.what = event_of(waiting.what)
                    if not number:  # one of each look stands for all
                        timings.observe(ID, time.perf_counter() - started)

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
        in_force = modes.in_force()
        owed = _take(self._owed)
        new, hopeless = _made(_take(self._waiting))
        self._count_captured()  # after they are taken: who comes in between is not sent before it is counted
        self._in_hand = batch = owed + new
        try:
            self._delivery.deliver(batch, in_force, is_last=self._stopping.is_set())
        finally:
            # Whatever went wrong, what no store has stays, in its old place.
            kept = [waiting for waiting in new if not waiting.is_settled(in_force)]
            self._waiting.extendleft([waiting for waiting in reversed(kept) if not waiting.queued])
            self._owed.extendleft([waiting for waiting in reversed(owed) if not waiting.is_settled(in_force)])
            self._owed.extend([waiting for waiting in kept if waiting.queued])
            self._in_hand = []
        settled = (
            [waiting for waiting in batch if waiting.is_settled(in_force)] if kept or self._owed else batch
        )
        self._journal.settle(waiting.segment for waiting in settled if waiting.segment is not None)
        for waiting in hopeless:
            self._set_aside(waiting)
        if any(waiting.queued for waiting in batch):
            timings.write()
        self._bound_owed()
        return bool(settled) or not batch or any(waiting.queued for waiting in new)

    def _set_aside(self, waiting: Waiting) -> None:
        """What is no event, to the dead letters; while the queue refuses, it stays in the journal."""
        metrics.capture_failed.inc()
        _, encoded = write_down(waiting.what)
        is_sent = self._delivery.send_unreadable([b"[%b]" % encoded])
        if waiting.segment is not None:
            if is_sent:
                self._journal.settle([waiting.segment])
            else:
                self._journal.spill(waiting.segment)
        elif not is_sent:
            self._drop(1, "no event can be made of them, and the queue refuses")

    def _bound_owed(self) -> None:
        count = len(self._owed) - conf.buffer_events
        if count > 0:
            given_up = [self._owed.pop() for _ in range(count)]
            self._journal.settle(waiting.segment for waiting in given_up if waiting.segment is not None)
            self._drop(count, "the legacy collector refuses them; the queue has them")

    def _adopt_safely(self) -> None:
        """Takes over what dead processes left, as far as there is room."""
        now = time.monotonic()
        if conf.journal == "off" or now - self._looked_at < ADOPT_SECONDS:
            return
        self._looked_at = now
        try:
            for adopted in self._journal.adopt(lambda: len(self._waiting) <= conf.buffer_events // 2):
                self._take_over(adopted)
        except Exception:
            logger.exception("Journals of dead processes could not be adopted")

    def _take_over(self, adopted: Adopted) -> None:
        if adopted.unreadable and not self._delivery.send_unreadable(adopted.unreadable):
            self._journal.give_up(adopted)
            return
        for what, from_edge in adopted.found:
            self._waiting.append(Waiting(what, from_edge, adopted.segment))
        metrics.adopted.inc(len(adopted.found))
        if adopted.found or adopted.unreadable:
            logger.warning(
                "Journal: adopted %d events (%d lines unreadable) of %s",
                len(adopted.found),
                len(adopted.unreadable),
                adopted.segment.path.name,
            )
        self._journal.settle(())  # one without events is done with

    def _count_captured(self) -> None:
        """Once a hand-over: a counter that all processes share costs a request as much as its journal."""
        count = 0
        with suppress(IndexError):  # another thread may count, too
            for _ in range(len(self._uncounted)):
                self._uncounted.popleft()
                count += 1
        metrics.captured.inc(count)

    def _drop(self, count: int, reason: str) -> None:
        self._count_captured()
        metrics.dropped.inc(count)
        self._dropped_silently += count
        if time.monotonic() - self._complained_at >= COMPLAINT_SECONDS or self._stopping.is_set():
            logger.critical("Dropped %d events: %s", self._dropped_silently, reason)
            self._complained_at, self._dropped_silently = time.monotonic(), 0


def _take(events: deque[Waiting]) -> list[Waiting]:
    return [events.popleft() for _ in range(min(len(events), TRANSACTION_EVENTS))]


def _made(taken: list[Waiting]) -> tuple[list[Waiting], list[Waiting]]:
    """Those that are events now, and those of which none can be made: a fault of ours, and said as such."""
    hopeless = []
    for waiting in taken:
        try:
            if isinstance(waiting.what, Facts):
                waiting.what = event_of(waiting.what)
        except Exception:
            logger.exception("Sender: a request's facts make no event")
            hopeless.append(waiting)
    if not hopeless:
        return taken, hopeless
    return [waiting for waiting in taken if isinstance(waiting.what, TrafficEvent)], hopeless


_sender = Sender()


def submit(what: Countable, *, from_edge: bool = False) -> None:
    """Hands an event, or the facts that make one, to this process's sender."""
    _sender.submit(what, from_edge=from_edge)


def start() -> None:
    """Starts this process's sender before its first event, to adopt journals: for the worker."""
    _sender.start()


def flush_at_exit() -> None:
    """Sends what waits before the process ends, within `TRAFFIC_EXIT_TIMEOUT`."""
    _sender.stop(conf.exit_timeout)


def _begin_anew() -> None:
    """A forked child has the parent's buffer but not its thread: what waits there is the parent's to send."""
    global _sender
    _sender.forget()
    _sender = Sender()


atexit.register(flush_at_exit)
os.register_at_fork(after_in_child=_begin_anew)
