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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gateway import metrics, segments
from gateway.conf import conf
from gateway.segment import Segment
from gateway.segments import Adopted

logger = logging.getLogger(__name__)

COMPLAINT_SECONDS = 1.0  # a full disk is one log line a second
RETRY_SECONDS = 0.5  # a full disk is not asked by every request


class Journal:
    """This process's segments. Requests write; the sender takes what is new, and settles it.

    `write` is for a request: it puts one line, with its end, where it belongs, without a lock, and returns
    the number of its bytes. Where that takes more than to copy it, it raises ValueError; then `append` is to
    be asked, which does all.
    """

    write: Callable[[bytes], int]

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of this process only
        self._activate(None)
        self._held: dict[Segment, None] = {}  # oldest first
        self._bytes = 0  # of all processes' segments, as last looked up, and those begun since
        self._begin_at = float("-inf")
        self._complained_at = float("-inf")

    def _activate(self, segment: Segment | None) -> None:
        self._active = segment
        memory = segment.memory if segment is not None and conf.journal == "os" else None
        self.write = _refuse if memory is None else memory.write

    def append(self, line: bytes) -> bool:
        """Writes one event, with its line end; whether it could be written. Never raises."""
        if conf.journal == "off":
            return False
        try:
            with self._lock:
                segment = self._active
                if segment is None or not segment.append(line):
                    segment = self._begin_segment(len(line))
                    segment.append(line)
                if conf.journal == "fsync":
                    os.fdatasync(segment.descriptor)
                return True
        except OSError as error:
            self._complain(str(error))
            return False

    @property
    def has_new(self) -> bool:
        """Whether anything was written that the sender has not taken in hand."""
        return any(segment.taken < segment.end for segment in list(self._held))

    def take(self, most: int) -> Iterator[tuple[Segment, bytes, int]]:
        """What was written that the sender has not taken in hand, oldest first, at most so many lines.

        By segment: the lines, each with its end, and how many.
        """
        for segment in list(self._held):
            if most > 0 and segment.taken < segment.end:
                lines, count = segment.take(most)
                if count:
                    most -= count
                    yield segment, lines, count

    def _begin_segment(self, line_bytes: int) -> Segment:
        """Raises OSError, also at the bound: the full one stays active then, until it is settled."""
        now = time.monotonic()
        if now < self._begin_at:
            raise OSError("no segment could be begun a moment ago")
        if self._bytes + segments.BYTES > conf.journal_bytes:
            raise OSError(f"{self._bytes} bytes of segments are there (TRAFFIC_JOURNAL_BYTES)")
        self._begin_at = now + RETRY_SECONDS
        segment = segments.begin(line_bytes, synced=conf.journal == "fsync")
        self._begin_at = now
        self._bytes += segment.size
        self._held[segment] = None
        finished = self._active
        self._activate(segment)
        if finished is not None:
            finished.seal()
            if finished.is_empty:
                self._close(finished)
        return segment

    def settle(self, settled: Iterable[Segment | None]) -> None:
        """One event of each of these segments (which come once an event) is in the stores.

        None stands for an event that is in no segment.
        """
        with self._lock:
            for segment, count in Counter(settled).items():
                if segment is not None:
                    segment.outstanding -= count
            for segment in [held for held in self._held if not held.outstanding]:
                if segment.is_empty and segment is not self._active:
                    self._close(segment)
                else:
                    segment.settle()

    def _close(self, segment: Segment) -> None:
        """Lets go of a sealed segment, and removes it if it is empty."""
        del self._held[segment]
        if segment is self._active:
            self._activate(None)
        if not segment.is_empty:
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
        own = {segment.path: segment for segment in list(self._held)}
        for path in segments.paths():
            if not has_room():
                if segments.age(path) >= conf.journal_days * 86_400:
                    self._expire(path, own.get(path))
            elif path not in own and (adopted := segments.adopt(path)) is not None:
                with self._lock:
                    self._held[adopted.segment] = None
                yield adopted

    def _expire(self, path: Path, own: Segment | None) -> None:
        """Nobody could deliver it for so long that it makes room."""
        if own is None:
            adopted = segments.adopt(path)
            if adopted is None:
                return
            count = len(adopted.lines)
            adopted.segment.remove()
        else:
            with self._lock:
                if own is self._active or own.outstanding:
                    return
                count = own.untaken
                own.taken = own.end
                self._close(own)
        metrics.dropped.inc(count)
        logger.critical("Dropped %d events of %s: older than TRAFFIC_JOURNAL_DAYS", count, path.name)

    def stop(self) -> int:
        """Removes what is settled and lets go of the rest; how many events stay in it."""
        with self._lock:
            left = 0
            for segment in list(self._held):
                segment.seal()
                left += segment.outstanding + segment.untaken
                self._close(segment)
            return left

    def forget(self) -> None:
        """In a forked child: the segments are the parent's, and so must their locks be."""
        for segment in self._held:
            segment.release()

    def _complain(self, why: str) -> None:
        metrics.journal_failed.inc()
        if time.monotonic() - self._complained_at >= COMPLAINT_SECONDS:
            self._complained_at = time.monotonic()
            logger.critical("Journal: an event could not be written and is in memory only: %s", why)


def _refuse(line: bytes) -> int:
    raise ValueError("to be appended")
