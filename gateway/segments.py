"""The journal's files: one segment a process at a time, and what a dead process left in its own.

A process holds a lock on its segment that the kernel drops however the process ends. So a segment that can
be locked is an orphan, and whoever lives adopts it.

What is in one is `gateway.segment`'s.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import mmap
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.conf import conf
from gateway.segment import FIRST, HEADER, Segment, unsettled

logger = logging.getLogger(__name__)

DRAFT_SECONDS = 60.0  # a segment is begun within milliseconds
SUFFIX = ".journal"
BYTES = 512 * 1024  # of a segment; some 1,500 events


@dataclass(slots=True)
class Adopted:
    """What an orphan held."""

    segment: Segment
    lines: list[bytes]


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
    """Events in all segments that no store has yet, or has had no time to say so."""
    count = 0
    for path in paths():
        with suppress(FileNotFoundError):
            count += len(unsettled(path.read_bytes()))
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


def begin(least: int = 0, *, synced: bool) -> Segment:
    """A new segment of this process, locked, with room for a line of `least` bytes.

    `synced` if its name is to survive a crash. Raises OSError.
    """
    parent = folder()
    name = f"{time.time_ns() // 1_000_000:013d}-{os.getpid()}-{secrets.token_hex(4)}"
    # Locked under a name that nobody looks for: an empty new segment is not to be adopted.
    draft = parent / f".{name}"
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        memory = _mapped(descriptor, max(BYTES, FIRST + least))
        path = parent / f"{name}{SUFFIX}"
        draft.rename(path)
        if synced:
            _sync_folder(parent)
    except OSError:
        os.close(descriptor)
        with suppress(OSError):
            draft.unlink()
        raise
    return Segment(path, descriptor, len(memory), memory)


def _mapped(descriptor: int, size: int) -> mmap.mmap:
    """The file, in its full size. The space is taken now: a page that found none later would be a SIGBUS."""
    _allocate(descriptor, size)
    memory = mmap.mmap(descriptor, size)
    memory.write(HEADER % FIRST)
    return memory


def _allocate(descriptor: int, size: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, size)
    except (AttributeError, OSError) as error:
        if getattr(error, "errno", errno.EOPNOTSUPP) not in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
            raise
        zeros = memoryview(bytes(size))
        while zeros:
            zeros = zeros[os.write(descriptor, zeros) :]


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
    lines = unsettled(content)
    return Adopted(Segment(path, descriptor, len(content), outstanding=len(lines)), lines)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
