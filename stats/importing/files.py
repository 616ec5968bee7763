"""Opening a log, plain or gzip, and how far its reading has come."""

from __future__ import annotations

import gzip
import io
import shutil
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from gateway.accesslog.parse import read_lines

STDIN = "-"
_GZIP = b"\x1f\x8b"
_BUFFER = 1 << 20  # bytes
_PART = 1 << 16


class Unreadable(OSError):
    """A file that can't be read, or not to its end. The message says which and why, in one line."""


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log: what the user calls it, and where it lies."""

    name: str
    path: Path


@dataclass(slots=True)
class OpenLog:
    """A log under reading."""

    name: str
    _raw: BinaryIO
    _plain: BinaryIO

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Its lines with their numbers. Raises Unreadable."""
        number = 0
        try:
            for number, line in read_lines(self._plain):
                yield number, line
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(f"{self.name}: after line {number}: {_reason(error)}") from None

    def parts(self) -> Iterator[bytes]:
        """All of it in pieces of some kB, for what does not go by lines. Raises Unreadable."""
        try:
            while part := self._plain.read(_PART):
                yield part
        except (OSError, EOFError, zlib.error) as error:
            raise Unreadable(f"{self.name}: {_reason(error)}") from None

    def position(self) -> int:
        """Bytes of the file that have been read; compressed ones where it is compressed."""
        return self._raw.tell()


@contextmanager
def opened(file: LogFile) -> Iterator[OpenLog]:
    """The log in `file`; gzip is known by its first bytes. Raises Unreadable."""
    try:
        raw = io.BufferedReader(io.FileIO(file.path), _BUFFER)
    except OSError as error:
        raise Unreadable(f"{file.name}: {_reason(error)}") from None
    with raw:
        packed = raw.peek(2)[:2] == _GZIP
        # As it is: a buffer around it would lose what stands before a damage.
        plain = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
        yield OpenLog(file.name, raw, plain)


@contextmanager
def named(names: Sequence[str]) -> Iterator[list[LogFile]]:
    """The logs of these names. `-` is standard input, which is kept in a temporary file: it is read twice."""
    with ExitStack() as kept:
        files = []
        for name in names:
            path = Path(name)
            if name == STDIN:
                copy = kept.enter_context(tempfile.NamedTemporaryFile(prefix="tallygate-import-"))
                shutil.copyfileobj(sys.stdin.buffer, copy)
                copy.flush()
                path = Path(copy.name)
            files.append(LogFile(name, path))
        yield files


def _reason(error: BaseException) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
