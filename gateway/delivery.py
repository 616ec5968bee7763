"""Delivery: hands events to the stores that the mode demands, and says which took them.

What the queue refuses goes to the legacy collector, marked for replay. A store that refused is left alone for
a while.
"""

from __future__ import annotations

import logging
import random
import sqlite3
import time
from collections.abc import Callable, Sequence

import msgspec
from django.db import connections
from django.utils.module_loading import import_string

from gateway import drills, metrics, queue, repeats
from gateway.conf import conf
from gateway.deadline import deadline
from gateway.events import TrafficEvent
from gateway.logs import printable
from gateway.modes import InForce
from gateway.segment import Segment
from gateway.timings import HAND_OVER, timings

logger = logging.getLogger(__name__)

DRILL_SECONDS = 4.0  # between two looks for one that was asked for
RETRY_SECONDS = (0.5, 5.0)  # first and longest pause after a refusal


class Waiting(msgspec.Struct, eq=False, gc=False):
    """An event, and what has already taken it."""

    event: TrafficEvent
    from_edge: bool  # still to be compared with what the edge sent before
    segment: Segment | None = None  # of the journal
    queued: bool = False
    collected: bool = False
    for_replay: bool = False  # the collector has it marked for the queue

    def is_settled(self, in_force: InForce) -> bool:
        """Whether every store that the mode demands has the event."""
        if in_force.mode == "legacy":
            return self.collected
        if not (self.queued or self.for_replay):
            return False
        if in_force.mode == "queue" or self.collected:
            return True
        return not in_force.is_collected(self.event.idempotent_id)


def unsettled(part: Sequence[Waiting], in_force: InForce) -> list[Waiting]:
    """Those that a store which the mode demands has yet to take."""
    if in_force.mode == "queue":  # without a call for each
        return [waiting for waiting in part if not waiting.queued and not waiting.for_replay]
    return [waiting for waiting in part if not waiting.is_settled(in_force)]


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


class Delivery:
    """The way to the stores, and how they took it lately."""

    def __init__(self) -> None:
        self._queue_backoff = Backoff()
        self._collector_backoff = Backoff()
        self._drill: drills.Drill | None = None
        self._looked_for_drill_at = float("-inf")

    def deliver(self, batch: Sequence[Waiting], in_force: InForce, *, is_last: bool) -> None:
        """Hands over what the stores still want of the batch, and marks what they took.

        `is_last`: the process ends, so a store is tried even if it refused a moment ago.
        """
        self._recognize_repeats(batch)
        self._follow_drill()
        is_refused = False
        if in_force.mode != "legacy":
            wanted = [waiting for waiting in batch if not waiting.queued and not waiting.for_replay]
            is_refused = not self._to_queue(wanted)
        if is_refused or in_force.mode != "queue":
            self._to_collector(batch, in_force, is_last=is_last)

    def _follow_drill(self) -> None:
        """Begins a drill that somebody asked for, and ends one whose time is over. Never raises."""
        now = time.monotonic()
        if self._drill is not None:
            if not self._drill.is_over:
                return
        elif now - self._looked_for_drill_at < DRILL_SECONDS or not self._queue_backoff.is_over:
            return
        self._looked_for_drill_at = now
        try:
            with deadline(connections[conf.database], conf.send_timeout):
                if self._drill is not None:
                    self._drill.end()
                    self._drill = None
                else:
                    self._drill = drills.take()
        except Exception as error:  # noqa: BLE001  (a database that is away fails in many ways)
            connections[conf.database].close()
            logger.debug("Drills: not asked for: %s", error)

    def send_unreadable(self, payloads: Sequence[bytes]) -> bool:
        """Hands what is no event to the consumer to bury; whether the queue took it."""
        if not self._queue_backoff.is_over:
            return False
        try:
            queue.send_unreadable(payloads)
        except queue.QueueRefused:
            self._queue_backoff.failed()
            return False
        return True

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
            waiting.event = event
            waiting.from_edge = False

    def _to_queue(self, batch: Sequence[Waiting]) -> bool:
        """Whether the queue has all of these now."""
        if not batch:
            return True
        if not self._queue_backoff.is_over:
            return False
        if self._drill is not None and not self._drill.is_over:
            logger.warning("Queue refused %d events: fallback drill %d", len(batch), self._drill.key)
            return False
        started = time.perf_counter()
        try:
            batches = queue.send_events([waiting.event for waiting in batch])
        except queue.QueueRefused as refusal:
            self._queue_backoff.failed()
            logger.warning("Queue refused %d events: %s", len(batch), refusal)
            return False
        self._queue_backoff.succeeded()
        for waiting in batch:
            waiting.queued = True
        metrics.sent.inc(len(batch))
        seconds = time.perf_counter() - started
        timings.observe(HAND_OVER, seconds / batches)
        milliseconds = seconds * 1000
        logger.info("Queue sent: %d events in %d batches, %.1f ms", len(batch), batches, milliseconds)
        _log_each("Queue sent", batch)
        return True

    def _to_collector(self, batch: Sequence[Waiting], in_force: InForce, *, is_last: bool) -> None:
        """What the mode wants collected, and what the queue refused."""
        mode = in_force.mode
        refused: list[Waiting] = []
        refused_and_wanted: list[Waiting] = []
        wanted: list[Waiting] = []
        for waiting in batch:
            is_wanted = in_force.is_collected(waiting.event.idempotent_id)
            if mode != "legacy" and not waiting.queued and not waiting.for_replay:
                (refused_and_wanted if is_wanted else refused).append(waiting)
            elif is_wanted and not waiting.collected:
                wanted.append(waiting)
        if refused:
            self._collect(refused, None, replay=True)
        if refused_and_wanted:
            self._collect(refused_and_wanted, mode, replay=True)
        if wanted and (mode == "legacy" or self._collector_backoff.is_over or is_last):
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
            if self._drill is not None:
                self._drill.fallen_back += len(part)
            metrics.fallback.inc(len(part))
            logger.warning("Fallback: %d events to the legacy collector", len(part))
            _log_each("Fallback", part)


def _log_each(what: str, batch: Sequence[Waiting]) -> None:
    if not conf.log_events:
        return
    for waiting in batch:
        event = waiting.event
        logger.info(
            "%s: %s | Path: %s | Status: %d", what, event.idempotent_id, printable(event.path), event.status
        )
