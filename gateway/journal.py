"""The journal: each event on disk before its response leaves, until a store has it.

Each process appends to a segment file of its own (`gateway.segments`), and adopts the segments of dead ones
when its sender starts and every few seconds, in web processes and in the worker. No lock is shared between
processes.

What `TRAFFIC_JOURNAL` survives: `os` (default) the SIGKILL of any process, since the page cache is the
kernel's; `fsync` also a crash of the machine; `off` neither.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from gateway import metrics, segments
from gateway.conf import conf
from gateway.segments import Adopted, Segment

logger = logging.getLogger(__name__)

COMPLAINT_SECONDS = 1.0  # a full disk is one log line a second
RETRY_SECONDS = 0.5  # a full disk is not asked by every request


class Journal:
    """This process's segments. Appended to by request threads, settled by the sender's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of this process only
        self._active: Segment | None = None
        self._held: set[Segment] = set()
        self._bytes = 0  # of all processes' segments, as last looked up, and those begun since
        self._begin_at = float("-inf")
        self._complained_at = float("-inf")

    def append(self, encoded: bytes, *, from_edge: bool) -> Segment | None:
        """Writes one event; its segment, or None if it could not be written. Never raises."""
        if conf.journal == "off":
            return None
        try:
            with self._lock:
                segment = self._active
                if segment is None or not segment.append(encoded, from_edge=from_edge):
                    segment = self._begin_segment(len(encoded))
                    segment.append(encoded, from_edge=from_edge)
                if conf.journal == "fsync":
                    os.fdatasync(segment.descriptor)
                segment.outstanding += 1
                return segment
        except OSError as error:
            self._complain(str(error))
            return None

    def _begin_segment(self, event_bytes: int) -> Segment:
        """Raises OSError, also at the bound: the full one stays active then, until it is settled."""
        now = time.monotonic()
        if now < self._begin_at:
            raise OSError("no segment could be begun a moment ago")
        if self._bytes + segments.BYTES > conf.journal_bytes:
            raise OSError(f"{self._bytes} bytes of segments are there (TRAFFIC_JOURNAL_BYTES)")
        self._begin_at = now + RETRY_SECONDS
        segment = segments.begin(event_bytes, synced=conf.journal == "fsync")
        self._begin_at = now
        self._bytes += segment.size
        self._held.add(segment)
        finished, self._active = self._active, segment
        if finished is not None and not finished.outstanding:
            self._close(finished)
        return segment

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
        else:
            segment.settle()

    def _close(self, segment: Segment) -> None:
        self._held.discard(segment)
        if segment is self._active:
            self._active = None
        if segment.spilled:
            segment.release()
            return
        try:
            self._bytes -= segment.size
            segment.remove()
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
    count = len(adopted.found) + len(adopted.unreadable)
    metrics.dropped.inc(count)
    logger.critical(
        "Dropped %d events of %s: older than TRAFFIC_JOURNAL_DAYS", count, adopted.segment.path.name
    )
    adopted.segment.remove()
