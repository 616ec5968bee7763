"""A segment: one file of the journal, its layout, and how a process writes into it and reads it.

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

import mmap
import os
import re
from dataclasses import dataclass
from pathlib import Path

FIRST = 11  # offset of the first event
HEADER = b"S %08x\n"
LINE_END = b"\n"
_HEADER = re.compile(rb"S ([0-9a-f]{8})\n")
_OFFSET = slice(2, 10)  # where the header has its offset: 8 bytes, which are stored at once


@dataclass(slots=True, eq=False)
class Segment:
    """A file of events, locked by this process."""

    path: Path
    descriptor: int
    size: int  # bytes
    memory: mmap.mmap | None = None  # None if it was adopted: nothing is appended to it
    taken: int = FIRST  # offset behind the last event that the sender has taken in hand
    outstanding: int = 0  # events of those that a store still has to take
    _sealed_end: int | None = None

    @property
    def end(self) -> int:
        """Offset behind the last event."""
        if self.memory is None:
            return FIRST
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
            self.memory[FIRST:end] = bytes(end - FIRST)
            self.memory[_OFFSET] = b"%08x" % FIRST
            self.taken = end = FIRST
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
