"""The journal's files: one segment a process at a time, and what a dead process left in its own.

A process holds a lock on its segment that the kernel drops however the process ends. So a segment that can
be locked is an orphan, and whoever lives adopts it.

A line is one event as JSON behind `E ` (its request id came from the edge, so a repeat is to be looked for)
or `- `.
"""

from __future__ import annotations

import fcntl
import logging
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.conf import conf
from gateway.events import InvalidEvent, TrafficEvent, decode, fields_of

logger = logging.getLogger(__name__)

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


def folder() -> Path:
    """Where segments are, made if missing, closed to others. Raises OSError."""
    path = _folder()
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o700)
    return path


def paths() -> list[Path]:
    """The segments of all processes, oldest first."""
    try:
        return sorted(_folder().glob(f"*{SUFFIX}"))
    except OSError:
        return []


def pending() -> int:
    """Events in all segments. A living process's segment is emptied when it is idle, not at once."""
    count = 0
    for path in paths():
        try:
            count += path.read_bytes().count(b"\n")
        except FileNotFoundError:
            continue
    return count


def total_bytes() -> int:
    """Of all segments."""
    total = 0
    for path in paths():
        with suppress(OSError):
            total += path.stat().st_size
    return total


def age(path: Path) -> float:
    """Seconds since it was last written; 0 for a file that is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0


def begin(*, synced: bool) -> Segment:
    """A new segment of this process, locked; `synced` if its name is to survive a crash. Raises OSError."""
    parent = folder()
    name = f"{time.time_ns() // 1_000_000:013d}-{os.getpid()}-{secrets.token_hex(4)}"
    # Locked under a name that nobody looks for: an empty new segment is not to be adopted.
    draft = parent / f".{name}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = parent / f"{name}{SUFFIX}"
        draft.rename(path)
        if synced:
            _sync_folder(parent)
    except OSError:
        os.close(descriptor)
        raise
    return Segment(path, descriptor)


def adopt(path: Path) -> Adopted | None:
    """The orphan at `path`, locked and read; None if somebody holds it, or it can't be read."""
    try:
        return _adopt(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        logger.error("Journal: %s can't be adopted: %s", path, error)
        return None


def sweep_drafts() -> None:
    """Removes what a process killed while it began a segment left behind; nothing is in it."""
    for draft in _folder().glob(".[0-9]*"):
        if age(draft) > DRAFT_SECONDS:
            with suppress(OSError):
                draft.unlink()


def _folder() -> Path:
    return conf.var_dir / "journal"


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
