"""The journal's files: one segment a process at a time, and what a dead process left in its own.

A process holds a lock on its segment that the kernel drops however the process ends. So a segment that can
be locked is an orphan, and whoever lives adopts it.

A segment has its full size from the start, so that its disk space is promised, and is mapped into memory: to
append is to copy some bytes into the page cache, without a system call, and without giving the interpreter's
lock away, which the threads of a web process would then fight for. What was copied outlives the process.

It begins with `S `, the offset up to which all its events are in the stores (8 hexadecimal digits), and a
line end. Each further line is one request's facts, or an event, as JSON, in which no NUL can be. What is not
written yet is NULs, so a line cut short by SIGKILL holds one, or lacks its end. What older versions left
may have no such first line, and has two more characters before each event; it is read all the same.

Requests write without a lock: `write` of a mapped file copies a line to its position and moves that on in
one call, which the interpreter's lock makes one step. To take the segment out of their hands (`seal`), the
position is moved to the end, where nothing fits; only then it is looked where the last line ended.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import mmap
import os
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.conf import conf

logger = logging.getLogger(__name__)

DRAFT_SECONDS = 60.0  # a segment is begun within milliseconds
SUFFIX = ".journal"
BYTES = 512 * 1024  # of a segment; some 1,500 events
_HEADER = re.compile(rb"S ([0-9a-f]{8})\n")
_FIRST = 11  # offset of the first event
_OFFSET = slice(2, 10)  # where the header has its offset: 8 bytes, which are stored at once
LINE_END = b"\n"


@dataclass(slots=True, eq=False)
class Segment:
    """A file of events, locked by this process."""

    path: Path
    descriptor: int
    size: int  # bytes
    memory: mmap.mmap | None = None  # None if it was adopted: nothing is appended to it
    taken: int = _FIRST  # offset behind the last event that the sender has taken in hand
    outstanding: int = 0  # events of those that a store still has to take
    _sealed_end: int | None = None

    @property
    def end(self) -> int:
        """Offset behind the last event."""
        if self.memory is None:
            return _FIRST
        return self.memory.tell() if self._sealed_end is None else self._sealed_end

    @property
    def is_empty(self) -> bool:
        """Whether every event in it is in the stores."""
        return self.taken == self.end and not self.outstanding

    @property
    def untaken(self) -> int:
        """Events in it that the sender has not taken in hand."""
        return 0 if self.memory is None else self.memory[self.taken : self.end].count(LINE_END)

    def append(self, line: bytes) -> bool:
        """Writes one event, with its line end, if there is room for it."""
        assert self.memory is not None
        try:
            self.memory.write(line)
        except ValueError:
            return False
        return True

    def seal(self) -> None:
        """Nothing is written into it from now on."""
        if self.memory is None or self._sealed_end is not None:
            return
        end = self.memory.tell()
        self.memory.seek(self.size)
        # A request may have written between those two.
        end = self.memory.find(b"\0", end)
        self._sealed_end = self.size if end < 0 else end

    def take(self, most: int) -> tuple[bytes, int]:
        """The next lines that the sender has not seen, at most so many, each with its end; and how many.

        They are outstanding from now on. There may be none: a request that is just sealing it makes its end
        look farther away than it is.
        """
        assert self.memory is not None
        lines = self.memory[self.taken : self.end]
        count = lines.count(LINE_END)
        if count > most:
            count = most
            rest = lines.split(LINE_END, most)[most]
            lines = lines[: len(lines) - len(rest)]
        else:
            lines = lines[: lines.rfind(LINE_END) + 1]
        # In this order: a request that begins another segment meanwhile must not take this one for empty.
        self.outstanding += count
        self.taken += len(lines)
        return lines, count

    def settle(self) -> None:
        """Says that all that was taken is in the stores, and makes room if that is all, and half is used."""
        assert self.memory is not None
        self.memory[_OFFSET] = b"%08x" % self.taken
        if self._sealed_end is None and self.taken == self.end > self.size // 2:
            self._empty()

    def _empty(self) -> None:
        """Makes it as it was when it began, unless a request has written into it meanwhile."""
        assert self.memory is not None
        self.seal()
        end = self.end
        if self.taken == end:
            # Killed in the midst, it is empty still: what is said to be settled lies before the end.
            self.memory[_FIRST:end] = bytes(end - _FIRST)
            self.memory[_OFFSET] = b"%08x" % _FIRST
            self.taken = end = _FIRST
        self._sealed_end = None
        self.memory.seek(end)

    def release(self) -> None:
        """Lets go of it: whoever locks it next adopts it."""
        if self.memory is not None:
            self.memory.close()
        os.close(self.descriptor)

    def remove(self) -> None:
        """Every event in it is in the stores. Raises OSError; it then stays locked and unadopted."""
        self.path.unlink(missing_ok=True)
        self.release()


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


def unsettled(content: bytes) -> list[bytes]:
    """The lines of a segment that are not known to be in the stores."""
    header = _HEADER.match(content)
    first = int(header[1], 16) if header else 0  # an older version appended to an empty file
    lines = [line for line in content[first:].split(LINE_END) if line.strip(b"\0")]
    if header and lines and b"\0" in lines[-1]:
        # Killed while it was written, so its request was not answered. Any part of it may be there: how its
        # bytes are copied is the C library's affair.
        lines.pop()
    # Where a crash of the machine left a page unwritten, there are NULs before what was on the next one.
    return [line.lstrip(b"\0") for line in lines]


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
        memory = _mapped(descriptor, max(BYTES, _FIRST + least))
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
    memory.write(b"S %08x\n" % _FIRST)
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
