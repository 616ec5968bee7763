"""The journal: each event on disk before its response leaves, until a store has it.

Each process appends to a segment file of its own (`gateway.segments`), one `write` an event, and adopts the
segments of dead ones: when its sender starts and every few seconds, in web processes and in the worker. No
lock is shared between processes.

What `TRAFFIC_JOURNAL` survives: `os` (default) the SIGKILL of any process, since the page cache is the
kernel's; `fsync` also a crash of the machine; `off` neither.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from gateway import metrics, segments
from gateway.conf import conf
from gateway.segments import Adopted, Segment

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 1_000_000  # a segment is closed at this size; about 3,000 events
COMPLAINT_SECONDS = 1.0  # a full disk is one log line a second


class Journal:
    """This process's segments. Appended to by request threads, settled by the sender's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of this process only
        self._active: Segment | None = None
        self._held: set[Segment] = set()
        self._bytes = 0  # of all processes' segments, as last looked up, and what was written since
        self._complained_at = float("-inf")

    def append(self, encoded: bytes, *, from_edge: bool) -> Segment | None:
        """Writes one event; its segment, or None if it could not be written. Never raises."""
        if conf.journal == "off":
            return None
        line = b"%b %b\n" % (b"E" if from_edge else b"-", encoded)
        try:
            with self._lock:
                return self._append(line)
        except OSError as error:
            self._complain(str(error))
            return None

    def _append(self, line: bytes) -> Segment | None:
        if self._bytes + len(line) > conf.journal_bytes:
            self._complain(f"{self._bytes} bytes of events wait (TRAFFIC_JOURNAL_BYTES)")
            return None
        segment = self._active
        if segment is None or segment.size > SEGMENT_BYTES:
            segment = self._begin_segment()
        written = os.write(segment.descriptor, line)
        if written != len(line):
            # The disk is full: half a line would run into the next one.
            self._complain("the disk is full")
            try:
                os.ftruncate(segment.descriptor, segment.size)
            except OSError:
                self._active = None  # no further line is put behind the half one
            return None
        if conf.journal == "fsync":
            os.fdatasync(segment.descriptor)
        segment.size += written
        segment.outstanding += 1
        self._bytes += written
        return segment

    def _begin_segment(self) -> Segment:
        finished, self._active = self._active, None
        if finished is not None and not finished.outstanding:
            self._close(finished)
        self._active = segments.begin(synced=conf.journal == "fsync")
        self._held.add(self._active)
        return self._active

    def spill(self, segment: Segment) -> None:
        """The event written last stays in its segment only: the process has no room for it."""
        with self._lock:
            segment.spilled = True
            segment.outstanding -= 1

    def settle(self, settled: Iterable[Segment]) -> None:
        """One event of each of these segments (a segment comes once an event) is in the stores."""
        with self._lock:
            for segment in settled:
                segment.outstanding -= 1
            for segment in [held for held in self._held if not held.outstanding]:
                self._settle(segment)

    def _settle(self, segment: Segment) -> None:
        if segment is not self._active or segment.spilled:
            self._close(segment)
        elif segment.size:
            with suppress(OSError):  # then it is adopted one day, and its events are known
                os.ftruncate(segment.descriptor, 0)
                self._bytes -= segment.size
                segment.size = 0

    def _close(self, segment: Segment) -> None:
        self._held.discard(segment)
        if segment is self._active:
            self._active = None
        if segment.spilled:
            segment.release()
            return
        try:
            segment.remove()
            self._bytes -= segment.size
        except OSError as error:
            logger.error(
                "Journal: %s can't be removed; its events are in the stores: %s", segment.path, error
            )

    def adopt(self, has_room: Callable[[], bool]) -> Iterator[Adopted]:
        """Takes over orphans, oldest first, one at a time, while there is room. Never raises.

        Without room, nobody takes events off this process's hands; then what is older than
        `TRAFFIC_JOURNAL_DAYS` makes way.
        """
        with self._lock:
            self._bytes = segments.total_bytes()
        segments.sweep_drafts()
        for path in segments.paths():
            has_place = has_room()
            if not has_place and segments.age(path) < conf.journal_days * 86_400:
                continue
            adopted = segments.adopt(path)
            if adopted is None:
                continue
            if not has_place:
                _expire(adopted)
                continue
            with self._lock:
                self._held.add(adopted.segment)
            yield adopted

    def give_up(self, adopted: Adopted) -> None:
        """Leaves an adopted segment for later."""
        with self._lock:
            self._held.discard(adopted.segment)
            adopted.segment.release()

    def stop(self) -> None:
        """Removes what is settled and lets go of the rest."""
        with self._lock:
            for segment in list(self._held):
                segment.spilled = segment.spilled or segment.outstanding > 0
                self._close(segment)

    def forget(self) -> None:
        """In a forked child: the segments are the parent's, and so must their locks be."""
        for segment in self._held:
            segment.release()

    def _complain(self, why: str) -> None:
        metrics.journal_failed.inc()
        if time.monotonic() - self._complained_at >= COMPLAINT_SECONDS:
            self._complained_at = time.monotonic()
            logger.critical("Journal: an event could not be written and is in memory only: %s", why)


def _expire(adopted: Adopted) -> None:
    """Nobody could deliver it for so long that it makes room."""
    count = len(adopted.events) + len(adopted.unreadable)
    metrics.dropped.inc(count)
    logger.critical(
        "Dropped %d events of %s: older than TRAFFIC_JOURNAL_DAYS", count, adopted.segment.path.name
    )
    adopted.segment.remove()
