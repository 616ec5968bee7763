"""The inbox: what requests wrote down, until the sender takes it in hand as events.

It is the journal (`gateway.journal`); only what could not be written there is kept in memory, up to
`TRAFFIC_BUFFER_EVENTS`, past which it is dropped, loudly and counted. So a request neither makes an object
that outlives it nor waits for anybody, and what a process has no room for stays in its journal unread.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator

import msgspec

from gateway import facts, metrics
from gateway.capture import event_of
from gateway.conf import conf
from gateway.delivery import Waiting
from gateway.events import InvalidEvent, TrafficEvent, decode, fields_of
from gateway.journal import Journal
from gateway.segment import LINE_END, Segment
from gateway.timings import ID, timings

logger = logging.getLogger(__name__)

COMPLAINT_SECONDS = 1.0  # a flood of drops is one log line a second


class Unreadable(msgspec.Struct, eq=False, gc=False):
    """A line of which no event can be made: the consumer buries it."""

    payload: bytes
    segment: Segment | None


class Inbox:
    """What one process' requests wrote down: in the journal, or by `keep`. All else is for the sender."""

    def __init__(self) -> None:
        self.waiting: deque[Waiting] = deque()  # taken in hand, oldest first
        self.unreadable: list[Unreadable] = []
        self.journal = Journal()
        self._lines: deque[bytes] = deque()  # that are in no journal
        self._taken, self._seconds = 0, 0.0  # since the last `report`: events, and what it took to make them
        self._complained_at = float("-inf")
        self._dropped_silently = 0

    def keep(self, line: bytes) -> None:
        """Takes over, in memory, what could not be written to the journal."""
        if len(self._lines) + self._in_hand < conf.buffer_events:
            self._lines.append(line)
        else:
            metrics.captured.inc()
            self.drop(1, "the process holds TRAFFIC_BUFFER_EVENTS events already")

    @property
    def has_new(self) -> bool:
        """Whether there is anything to `take`."""
        return bool(self._lines) or self.journal.has_new

    def take(self) -> None:
        """Takes in hand what is new, as far as there is room, and makes its events."""
        started, in_hand = time.perf_counter(), self._in_hand
        for segment, lines, count in self._new_lines(max(1, conf.buffer_events) - in_hand):
            self._make_events(lines, count, segment)
        self._taken += self._in_hand - in_hand
        self._seconds += time.perf_counter() - started

    def report(self) -> None:
        """Counts, for people, what was taken since the last time.

        Not by `take`, which often has but few: two counters take as long as ten events.
        """
        taken, seconds = self._taken, self._seconds
        self._taken, self._seconds = 0, 0.0
        if taken:
            metrics.captured.inc(taken)
            timings.observe(ID, seconds / taken)  # their mean stands for all

    def adopt(self) -> None:
        """Takes in hand what dead processes left, a segment at a time, while half of the room is free."""
        for adopted in self.journal.adopt(lambda: self._in_hand <= conf.buffer_events // 2):
            if not adopted.lines:
                self.journal.settle(())  # it is done with
                continue
            count, unreadable = len(self.waiting), len(self.unreadable)
            self._make_each(adopted.lines, adopted.segment)
            count, unreadable = len(self.waiting) - count, len(self.unreadable) - unreadable
            metrics.adopted.inc(count)
            logger.warning(
                "Journal: adopted %d events (%d lines unreadable) of %s",
                count,
                unreadable,
                adopted.segment.path.name,
            )

    def settle(self, segments: Iterable[Segment | None]) -> None:
        """Of each of these segments (one comes once an event) an event is in the stores."""
        self.journal.settle(segments)

    def drop(self, count: int, reason: str) -> None:
        """Says and counts that so many events are lost."""
        metrics.dropped.inc(count)
        self._dropped_silently += count
        if time.monotonic() - self._complained_at >= COMPLAINT_SECONDS:
            self._complained_at = time.monotonic()
            count, self._dropped_silently = self._dropped_silently, 0
            logger.critical("Dropped %d events: %s", count, reason)

    def stop(self, also: Iterable[Waiting]) -> None:
        """The process ends, with these still in hand: what the journal does not keep is dropped."""
        self.report()
        kept = self.journal.stop()
        if kept:
            logger.warning("Journal: %d events stay there, no store took them before the process ended", kept)
        metrics.captured.inc(len(self._lines))
        in_memory = [one.segment is None for one in [*self.waiting, *also]]
        in_memory += [one.segment is None for one in self.unreadable]
        lost = len(self._lines) + sum(in_memory)
        if lost:
            self._complained_at = float("-inf")
            self.drop(lost, "the process ended before a store took them")

    def forget(self) -> None:
        """In a forked child: what is in the journal is the parent's."""
        self.journal.forget()

    @property
    def _in_hand(self) -> int:
        return len(self.waiting) + len(self.unreadable)

    def _new_lines(self, most: int) -> Iterator[tuple[Segment | None, bytes, int]]:
        yield from self.journal.take(most)
        if count := len(self._lines):
            yield None, b"".join([self._lines.popleft() for _ in range(count)]), count

    def _make_events(self, lines: bytes, count: int, segment: Segment | None) -> None:
        """The events of so many lines, each with its end; a line that makes none is `unreadable`."""
        decoded = facts.decode_lines(lines, count)
        if decoded is None:
            self._make_each(lines.split(LINE_END)[:-1], segment)
            return
        take_in_hand = self.waiting.append  # found once, not for each
        for number, what in enumerate(decoded):
            try:
                take_in_hand(Waiting(event_of(what), what.from_edge, segment))
            except Exception:  # noqa: BLE001  (it is told where it happens again)
                self._make_each(lines.split(LINE_END)[number:-1], segment)
                break

    def _make_each(self, lines: Iterable[bytes], segment: Segment | None) -> None:
        """The same of lines that may be anything."""
        for line in lines:
            try:
                event, from_edge = _read(line)
            except InvalidEvent:
                # An event of another schema version stays an event, which can be redriven one day.
                payload = _payload_of(line)
                is_event = fields_of(payload) is not None
                self.unreadable.append(Unreadable(b"[%b]" % payload if is_event else line, segment))
            except Exception:
                metrics.capture_failed.inc()
                logger.exception("Journal: a request's facts make no event")
                self.unreadable.append(Unreadable(b"[%b]" % _payload_of(line), segment))
            else:
                self.waiting.append(Waiting(event, from_edge, segment))


def _read(line: bytes) -> tuple[TrafficEvent, bool]:
    """The event of a line, and whether its id came from the edge.

    An older version wrote two characters first, `E ` before what came from the edge. Raises InvalidEvent.
    """
    payload = _payload_of(line)
    if not facts.are_facts(payload):
        return decode(payload), line.startswith(b"E ")
    what = facts.decode(payload)
    return event_of(what), what.from_edge or line.startswith(b"E ")


def _payload_of(line: bytes) -> bytes:
    return line[2:] if line[1:2] == b" " else line
