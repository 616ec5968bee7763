r"""Lines of Apache and nginx access logs, in common and combined format.

    address ident user [17/May/2015:10:05:03 +0000] "GET /a?b HTTP/1.1" 200 203 "referer" "user agent"

The common format ends after the size. What follows the user agent is ignored: many sites add fields
there. In quoted fields a backslash escapes as both servers write it (`\"`, `\\`, `\t`, `\xE5`).

The parts of a line are read by functions of their own, which serve the import of other formats too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import BinaryIO, NoReturn

import msgspec

MAX_LINE = 65_536  # bytes; what is longer is no line of a log

QUOTED = rb'[^"\\]*(?:\\.[^"\\]*)*'  # what stands between quotation marks
# The time is spelled out to its last digit, so that a hostile line full of brackets can't cost a search each.
TIME = rb"\d\d/[A-Za-z]{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
_QUOTED = rb'"(' + QUOTED + rb')"'
_HEAD = re.compile(rb"(?P<address>\S+) \S+ .+? \[(?P<time>" + TIME + rb")\] ", re.DOTALL)
_REQUEST = re.compile(_QUOTED + rb" ", re.DOTALL)
_STATUS_AND_SIZE = re.compile(rb"(\d{3}) (\d{1,18}|-)(?= |\Z)")
_COMBINED = re.compile(rb" " + _QUOTED + rb" " + _QUOTED + rb"(?: |\Z)", re.DOTALL)
# A protocol is missing where the client spoke HTTP/0.9; some targets hold raw spaces.
_REQUEST_LINE = re.compile(
    rb"(?P<method>[!#$%&'*+.^_`|~0-9A-Za-z-]+) (?P<target>\S.*?)(?: HTTP/\d(?:\.\d)?)?", re.DOTALL
)
_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]{2})|(.))", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"v": b"\v", b'"': b'"', b"\\": b"\\"}
_MONTHS = {
    name: number
    for number, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), start=1)
}


class MalformedLine(ValueError):
    """A line in neither format. `number` is its number in the file, `reason` one line for a person."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(f"line {number}: {reason}")
        self.number = number
        self.reason = reason


class LogLine(msgspec.Struct, frozen=True, gc=False):
    """One request as it was logged. Bytes that are no UTF-8 stand as surrogate escapes (PEP 383)."""

    number: int  # in its file, from 1
    address: str  # of the client: often an address, sometimes a host name
    time: datetime  # aware
    method: str
    target: str  # as the client sent it, query string included
    status: int
    size: int  # bytes of the response's body; 0 where the log has "-"
    user_agent: str  # empty in the common format, and where the log has "-"


def read_lines(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """The file's lines with their numbers. An over-long one comes cut: it never fills the memory."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = file.readline(MAX_LINE + 1)
        yield number, line


def parse_line(line: str | bytes, number: int) -> LogLine:
    """The request in `line`, which may end in a line break. Raises MalformedLine, and nothing else."""
    data = _as_bytes(line, number).rstrip(b"\r\n")
    if len(data) > MAX_LINE:
        raise MalformedLine(number, f"longer than {MAX_LINE} bytes")
    head = _HEAD.match(data) or _fail(number, "does not begin with `address ident user [time]`")
    request = _REQUEST.match(data, head.end()) or _fail(number, "no quoted request line after the time")
    numbers = _STATUS_AND_SIZE.match(data, request.end())
    numbers = numbers or _fail(number, "no status and size after the request line")
    method, target = split_request(request[1], number)
    return LogLine(
        number=number,
        address=text(head["address"]),
        time=read_time(head["time"], number),
        method=method,
        target=target,
        status=int(numbers[1]),
        size=0 if numbers[2] == b"-" else int(numbers[2]),
        user_agent=_user_agent(data, numbers.end(), number),
    )


def _fail(number: int, reason: str) -> NoReturn:
    raise MalformedLine(number, reason)


def _as_bytes(line: str | bytes, number: int) -> bytes:
    if isinstance(line, bytes):
        return line
    try:
        return line.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise MalformedLine(number, "holds a lone surrogate") from None


def split_request(quoted: bytes, number: int) -> tuple[str, str]:
    """Method and target of a quoted request line. Raises MalformedLine."""
    parts = _REQUEST_LINE.fullmatch(unescape(quoted))
    if parts is None:
        raise MalformedLine(number, "the request line is no `method target protocol`")
    return parts["method"].decode(), text(parts["target"])


def _user_agent(data: bytes, start: int, number: int) -> str:
    if start == len(data):
        return ""
    quoted = _COMBINED.match(data, start) or _fail(number, "no quoted referer and user agent after the size")
    return "" if quoted[2] == b"-" else text(unescape(quoted[2]))


def read_time(written: bytes, number: int) -> datetime:
    """The moment that bytes of the form `TIME` mean, aware. Raises MalformedLine."""
    # strptime costs more than all the rest of a line, and its month names are those of the locale.
    day, month, year = int(written[:2]), _MONTHS.get(written[3:6].title(), 0), int(written[7:11])
    clock = int(written[12:14]), int(written[15:17]), int(written[18:20])
    try:
        return datetime(year, month, day, *clock, tzinfo=_zone(written[21:]))
    except ValueError as error:
        raise MalformedLine(number, f"the time is none: {error}") from None


@lru_cache(maxsize=64)
def _zone(offset: bytes) -> timezone:
    minutes = int(offset[1:3]) * 60 + int(offset[3:])
    return timezone(timedelta(minutes=-minutes if offset.startswith(b"-") else minutes))


def unescape(quoted: bytes) -> bytes:
    """A quoted field as it was before the server escaped it."""
    return _ESCAPE.sub(_unescaped, quoted) if b"\\" in quoted else quoted


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if escape[1]:
        return bytes([int(escape[1], 16)])
    return _ESCAPED.get(escape[2], escape[0])


def text(data: bytes) -> str:
    """Bytes of a log as text; what is no UTF-8 as surrogate escapes."""
    return data.decode("utf-8", "surrogateescape")
