"""The journal: each event on disk before its response leaves, until a store has it.

Each process appends to a segment file of its own under `VAR_DIR/journal`, one `write` an event, and holds a
lock on it that the kernel drops however the process ends. So a segment that can be locked is an orphan, and
whoever lives adopts it: a sender when it starts and every few seconds, in web processes and in the worker.

What `TRAFFIC_JOURNAL` survives: `os` (default) the SIGKILL of any process, since the page cache is the
kernel's; `fsync` also a crash of the machine; `off` neither.

A line is one event as JSON behind `E ` (its request id came from the edge, so a repeat is to be looked for)
or `- `. No lock is shared between processes.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway import metrics
from gateway.conf import conf
from gateway.events import InvalidEvent, TrafficEvent, decode, fields_of

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 1_000_000  # a segment is closed at this size; about 3,000 events
COMPLAINT_SECONDS = 1.0  # a full disk is one log line a second
DRAFT_SECONDS = 60.0  # a segment is begun within milliseconds
SUFFIX = ".journal"


@dataclass(slots=True, eq=False)
class Segment:
    """A file of events, locked by this process."""

    path: Path
    descriptor: int
    size: int = 0  # bytes
    outstanding: int = 0  # events in it that a store still has to take
    spilled: bool = False  # holds events that this process has no room for

    def release(self) -> None:
        """Lets go of it: whoever locks it next adopts it."""
        os.close(self.descriptor)

    def remove(self) -> None:
        """Every event in it is in the stores. Raises OSError; it then stays locked and unadopted."""
        self.path.unlink(missing_ok=True)
        self.release()


@dataclass(slots=True)
class Adopted:
    """What an orphan held."""

    segment: Segment
    events: list[tuple[TrafficEvent, bool]] = field(default_factory=list)  # and whether from the edge
    unreadable: list[bytes] = field(default_factory=list)


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
        folder = journal_folder()
        name = f"{time.time_ns() // 1_000_000:013d}-{os.getpid()}-{secrets.token_hex(4)}"
        # Locked under a name that nobody looks for: an empty new segment is not to be adopted.
        draft = folder / f".{name}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path = folder / f"{name}{SUFFIX}"
            draft.rename(path)
            if conf.journal == "fsync":
                _sync_folder(folder)
        except OSError:
            os.close(descriptor)
            raise
        self._active = Segment(path, descriptor)
        self._held.add(self._active)
        return self._active

    def spill(self, segment: Segment) -> None:
        """The event written last stays in its segment only: the process has no room for it."""
        with self._lock:
            segment.spilled = True
            segment.outstanding -= 1

    def settle(self, segments: Iterable[Segment]) -> None:
        """One event of each of these segments (a segment comes once an event) is in the stores."""
        with self._lock:
            for segment in segments:
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
        paths = segment_paths()
        sizes = sum(_size(path) for path in paths)
        with self._lock:
            self._bytes = sizes
        _sweep_drafts()
        for path in paths:
            has_place = has_room()
            if not has_place and time.time() - _modified(path) < conf.journal_days * 86_400:
                continue
            adopted = _adopt_safely(path)
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


def journal_folder() -> Path:
    """Where segments are, made if missing, closed to others. Raises OSError."""
    folder = conf.var_dir / "journal"
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    return folder


def segment_paths() -> list[Path]:
    """The segments of all processes, oldest first."""
    folder = conf.var_dir / "journal"
    try:
        return sorted(folder.glob(f"*{SUFFIX}"))
    except OSError:
        return []


def pending() -> int:
    """Events in all segments. A living process's segment is emptied when it is idle, not at once."""
    count = 0
    for path in segment_paths():
        try:
            count += path.read_bytes().count(b"\n")
        except FileNotFoundError:
            continue
    return count


def _adopt(path: Path) -> Adopted | None:
    """The orphan at `path`, locked and read; None if somebody lives who holds it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    if os.fstat(descriptor).st_nlink == 0:  # settled by another, between our look and our lock
        os.close(descriptor)
        return None
    try:
        content = path.read_bytes()
    except OSError:
        os.close(descriptor)
        raise
    adopted = Adopted(Segment(path, descriptor, size=len(content)))
    for line in content.split(b"\n"):
        _read_line(line, adopted)
    adopted.segment.outstanding = len(adopted.events)
    return adopted


def _adopt_safely(path: Path) -> Adopted | None:
    try:
        return _adopt(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.error("Journal: %s can't be adopted: %s", path, error)
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _modified(path: Path) -> float:
    """Seconds since the epoch; now, for a file that is gone."""
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()


def _sweep_drafts() -> None:
    """Removes what a process killed while it began a segment left behind; nothing is in it."""
    for draft in (conf.var_dir / "journal").glob(".[0-9]*"):
        if time.time() - _modified(draft) > DRAFT_SECONDS:
            with suppress(OSError):
                draft.unlink()


def _expire(adopted: Adopted) -> None:
    """Nobody could deliver it for so long that it makes room."""
    count = len(adopted.events) + len(adopted.unreadable)
    metrics.dropped.inc(count)
    logger.critical(
        "Dropped %d events of %s: older than TRAFFIC_JOURNAL_DAYS", count, adopted.segment.path.name
    )
    adopted.segment.remove()


def _read_line(line: bytes, adopted: Adopted) -> None:
    if not line:
        return
    try:
        event = decode(line[2:])
    except InvalidEvent:
        # An event of another schema version stays an event, which can be redriven one day.
        readable = fields_of(line[2:]) is not None
        adopted.unreadable.append(b"[%b]" % line[2:] if readable else line)
    else:
        adopted.events.append((event, line[:1] == b"E"))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
