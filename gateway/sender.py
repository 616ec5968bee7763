"""The sender: one daemon thread a process that takes requests' facts off their hands.

They are in the inbox (`gateway.inbox`), in the journal that is, and wait a short linger for company, while
events are made of them; then all leave in one transaction (`delivery`). What no store takes stays here and is
tried again. An event leaves the journal only after a store committed it. The thread also adopts the journals
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

from gateway import modes
from gateway.conf import conf
from gateway.delivery import Backoff, Delivery, Waiting, unsettled
from gateway.facts import USUAL_BYTES, Countable, encode, write_down
from gateway.inbox import Inbox
from gateway.segment import LINE_END
from gateway.timings import timings

logger = logging.getLogger(__name__)

TRANSACTION_EVENTS = 5_000  # events one hand-over takes at most
STEP_SECONDS = 0.1  # between two looks at what came
ADOPT_SECONDS = 3.0  # between two looks for orphaned journals


class Sender:
    """The buffer of one process and the thread that empties it."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self._journal = self.inbox.journal  # found once: each request pays for each look
        # In the queue already, but mode `dual` owes them to a collector that refuses. Apart, so that they
        # neither stand before what the queue has not seen nor take its room.
        self._owed: deque[Waiting] = deque()
        self._in_hand: list[Waiting] = []
        self._delivery = Delivery()
        self._is_woken = False  # a request looks at this: to ask an Event takes longer
        self._arrived = threading.Event()
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._idle_backoff = Backoff()
        self._looked_at = float("-inf")

    def submit(self, what: Countable) -> None:
        """Takes an event over, or the facts that make one. Never blocks on a store."""
        line = b""
        try:
            line = encode(what) + LINE_END
            is_written = len(line) <= USUAL_BYTES and self._journal.write(line) > 0
        except ValueError:  # no room where it was to go, or a text that is none
            is_written = False
        if not is_written:
            self._submit_carefully(what, line)
        if not self._is_woken:
            self._wake()

    def _submit_carefully(self, what: Countable, line: bytes) -> None:
        """Of any length, with anything in it, whether there is a journal or not.

        `line` is what it came to; empty if it could not be encoded.
        """
        if not 0 < len(line) <= USUAL_BYTES:
            line = write_down(what) + LINE_END
        if not self._journal.append(line):
            self.inbox.keep(line)

    def _wake(self) -> None:
        if self._thread is None:
            self.start()
        self._is_woken = True
        self._arrived.set()

    def _rest(self) -> None:
        """Has whatever comes from now on wake the thread."""
        self._arrived.clear()
        self._is_woken = False

    @property
    def _has_work(self) -> bool:
        return bool(self.inbox.waiting or self._owed or self.inbox.unreadable) or self.inbox.has_new

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
        self.inbox.stop([*self._owed, *self._in_hand])

    def forget(self) -> None:
        """In a forked child: what waits is the parent's."""
        self.inbox.forget()

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
            if has_work := self._has_work:
                self._linger()
            self._rest()
            if has_work:
                self._flush_safely()
            if self._has_work:  # or it arrived between the look and the rest
                self._arrived.set()
        while self._has_work and self._flush_safely():
            pass

    def _linger(self) -> None:
        """Waits for company, and makes events of what comes meanwhile.

        A few at a time: in one go, before the hand-over, that would keep the interpreter's lock from requests
        for as long as they take altogether. The last few are the hand-over's to take.
        """
        parts = max(1, round(conf.linger / STEP_SECONDS))
        for part in range(parts):
            if self._stopping.is_set():
                return
            if part:
                with suppress(Exception):  # the hand-over says so
                    self.inbox.take()
            # Not `wait`, which takes twice the CPU; so a process may end that much later.
            time.sleep(conf.linger / parts)

    def _flush_safely(self) -> bool:
        """Sends what waits; whether that made progress. A refusal by every store pauses the thread."""
        try:
            progress = self.flush()
        except Exception:
            logger.exception("Sender failed; %d events wait", len(self.inbox.waiting))
            progress = False
        if progress:
            self._idle_backoff.succeeded()
        elif not self._stopping.is_set():
            self._idle_backoff.failed()
            # What only the collector refuses holds up no newcomer.
            (self._stopping if self.inbox.waiting else self._arrived).wait(self._idle_backoff.pause)
        return progress

    def flush(self) -> bool:
        """One hand-over of all that waits, up to a bound; whether anything left, or nothing is left."""
        in_force = modes.in_force()
        self.inbox.take()
        self.inbox.report()
        owed, new = _taken(self._owed), _taken(self.inbox.waiting)
        self._in_hand = batch = owed + new
        try:
            self._delivery.deliver(batch, in_force, is_last=self._stopping.is_set())
        finally:
            # Whatever went wrong, what no store has stays, in its old place.
            kept = unsettled(new, in_force)
            self.inbox.waiting.extendleft([waiting for waiting in reversed(kept) if not waiting.queued])
            self._owed.extendleft(reversed(unsettled(owed, in_force)))
            self._owed.extend([waiting for waiting in kept if waiting.queued])
            self._in_hand = []
        settled = (
            [waiting for waiting in batch if waiting.is_settled(in_force)] if kept or self._owed else batch
        )
        self.inbox.settle([waiting.segment for waiting in settled])
        is_sent = self._send_unreadable()
        if any(waiting.queued for waiting in batch):
            timings.write()
        self._bound_owed()
        return bool(settled) or is_sent or any(waiting.queued for waiting in new) or not self._has_work

    def _send_unreadable(self) -> bool:
        """What is no event, to the dead letters; while the queue refuses, it waits. Whether any left."""
        unreadable = self.inbox.unreadable
        if not unreadable or not self._delivery.send_unreadable([one.payload for one in unreadable]):
            return False
        self.inbox.unreadable = []
        self.inbox.settle(one.segment for one in unreadable)
        return True

    def _bound_owed(self) -> None:
        count = len(self._owed) - conf.buffer_events
        if count > 0:
            given_up = [self._owed.pop() for _ in range(count)]
            self.inbox.settle(waiting.segment for waiting in given_up)
            self.inbox.drop(count, "the legacy collector refuses them; the queue has them")

    def _adopt_safely(self) -> None:
        """Takes over what dead processes left, as far as there is room."""
        now = time.monotonic()
        if conf.journal == "off" or now - self._looked_at < ADOPT_SECONDS:
            return
        self._looked_at = now
        try:
            self.inbox.adopt()
            self._send_unreadable()
        except Exception:
            logger.exception("Journals of dead processes could not be adopted")


def _taken(events: deque[Waiting]) -> list[Waiting]:
    if len(events) > TRANSACTION_EVENTS:
        return [events.popleft() for _ in range(TRANSACTION_EVENTS)]
    all_of_them = list(events)
    events.clear()
    return all_of_them


current = Sender()  # this process's


def start() -> None:
    """Starts this process's sender before its first event, to adopt journals: for the worker."""
    current.start()


def flush_at_exit() -> None:
    """Sends what waits before the process ends, within `TRAFFIC_EXIT_TIMEOUT`."""
    current.stop(conf.exit_timeout)


def _begin_anew() -> None:
    """A forked child has the parent's buffer but not its thread: what waits there is the parent's to send."""
    global current
    current.forget()
    current = Sender()


atexit.register(flush_at_exit)
os.register_at_fork(after_in_child=_begin_anew)
