"""A log's format, compiled: one regular expression that reads a whole line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property

import msgspec

from gateway.accesslog.parse import MAX_LINE, QUOTED, MalformedLine, split_request, text, unescape
from stats.importing.clock import WHOLE_SECONDS, milliseconds
from stats.importing.fields import Meaning
from stats.importing.notation import BadFormat, Part, parts_of

# What can be read of a line, in the order in which `_read` takes them.
ROLES = (
    *("time", "address", "forwarded", "request", "method", "target"),
    *("status", "size", "user_agent", "host", "duration"),
)
_OF_ONE_PATTERN = frozenset({"time", "status", "size", "duration"})
_NOTHING = (b"", b"-")


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One request that was logged. Bytes that are no UTF-8 stand as surrogate escapes (PEP 383)."""

    number: int  # in its file, from 1
    moment: int  # ms since the epoch
    address: str  # of the peer: an address or a host name; empty where the format has none
    forwarded: str | None  # X-Forwarded-For; None where the format has none
    method: str
    target: str  # as the client sent it, query string included
    status: int
    size: int  # bytes
    user_agent: str
    host: str
    response_time: float  # ms; 0 where the format has none


class LineFormat:
    """Reads lines of one format. Raises BadFormat where that holds no time, request or status."""

    def __init__(self, written: str, label: str = "") -> None:
        self.label = label or written
        self._parts = parts_of(written)
        chosen = _chosen(self._parts)
        missing = [role for role in ("time", "status") if role not in chosen]
        if "request" not in chosen and "target" not in chosen:
            missing.append("request")
        if missing:
            raise BadFormat(f"{written:.200}: holds no {' and no '.join(missing)}")
        self._chosen = frozenset(chosen.values())
        self._unit = self._meaning(chosen.get("duration")).unit
        self._clock = self._meaning(chosen["time"]).clock
        self.whole_seconds = self._clock in WHOLE_SECONDS
        # A role that the format lacks gets an empty group, so that every line yields all of them.
        absent = b"".join(b"(?P<%s>)" % role.encode() for role in ROLES if role not in chosen)
        self._match = re.compile(b"".join(self._patterns) + absent, re.DOTALL).fullmatch

    def fits(self, line: bytes) -> bool:
        """Whether the line has this form; what it says may still be malformed."""
        return self._match(line.rstrip(b"\r\n")) is not None

    def moment(self, line: bytes) -> int | None:
        """The line's time in ms since the epoch; None if it can't be read. Quicker than `read`."""
        found = self._match(line.rstrip(b"\r\n"))
        try:
            return milliseconds(self._clock, found["time"]) if found else None
        except ValueError:
            return None

    def read(self, line: bytes, number: int) -> Entry:
        """What the line says. Raises MalformedLine, and nothing else."""
        data = line.rstrip(b"\r\n")
        if len(data) > MAX_LINE:
            raise MalformedLine(number, f"longer than {MAX_LINE} bytes")
        found = self._match(data)
        if found is None:
            raise MalformedLine(number, self._misfit(data))
        return self._entry(found.group(*ROLES), number)

    def _entry(self, groups: Sequence[bytes], number: int) -> Entry:
        time, address, forwarded, request, method, target, status, size, agent, host, duration = groups
        if request:
            name, path = split_request(request, number)
        else:
            name, path = text(unescape(method)) or "-", text(unescape(target))
        try:
            moment = milliseconds(self._clock, time)
        except ValueError as error:
            raise MalformedLine(number, f"the time is none: {error}") from None
        return Entry(
            number=number,
            moment=moment,
            address=text(address),
            forwarded=text(forwarded) if forwarded else None,
            method=name,
            target=path,
            status=int(status),
            size=0 if size in _NOTHING else int(size),
            user_agent="" if agent in _NOTHING else text(unescape(agent)),
            host="" if host in _NOTHING else text(unescape(host)),
            response_time=0.0 if duration in _NOTHING else float(duration) * self._unit,
        )

    def _meaning(self, index: int | None) -> Meaning:
        part = self._parts[index] if index is not None else ("", Meaning())
        assert not isinstance(part, str)
        return part[1]

    @cached_property
    def _patterns(self) -> list[bytes]:
        return [self._pattern(index) for index in range(len(self._parts))]

    def _pattern(self, index: int) -> bytes:
        part = self._parts[index]
        if isinstance(part, str):
            return re.escape(part.encode())
        meaning = part[1]
        pattern = meaning.pattern
        if meaning.role not in _OF_ONE_PATTERN and self._is_quoted(index):
            pattern = QUOTED
        elif meaning.role == "request":
            pattern = rb"\S+ \S+(?: HTTP/[0-9.]+)?"
        name = b"P<%s>" % meaning.role.encode() if index in self._chosen else b":"
        return b"(?%s%s)" % (name, pattern)

    def _is_quoted(self, index: int) -> bool:
        before, after = self._parts[index - 1 : index], self._parts[index + 1 : index + 2]
        return _literal(before).endswith('"') and _literal(after).startswith('"')

    def _misfit(self, data: bytes) -> str:
        """Where the line ceases to have the form, for a person."""
        for name, beginning in self._beginnings:
            if beginning.match(data) is None:
                return f"does not fit the format at {name}"
        return "goes on where the format ends"

    @cached_property
    def _beginnings(self) -> list[tuple[str, re.Pattern[bytes]]]:
        """Of each field the pattern of all that stands before it, itself, and what parts it from the next."""
        patterns = self._patterns
        return [
            (part[0], re.compile(b"".join(patterns[: index + 2]), re.DOTALL))
            for index, part in enumerate(self._parts)
            if not isinstance(part, str)
        ]


def _literal(parts: Sequence[Part]) -> str:
    """The one part, if it is a literal."""
    return parts[0] if parts and isinstance(parts[0], str) else ""


def _chosen(parts: Sequence[Part]) -> dict[str, int]:
    """Which part is read for each role: the first one, but of durations the finest."""
    chosen: dict[str, int] = {}
    finest = float("inf")
    for index, part in enumerate(parts):
        if isinstance(part, str) or not part[1].role:
            continue
        role, unit = part[1].role, part[1].unit
        if role not in chosen or (role == "duration" and unit < finest):
            chosen[role] = index
            finest = unit if role == "duration" else finest
    return chosen
