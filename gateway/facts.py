"""Facts: what is written down of a request before its answer leaves; its event is made of them afterwards.

A request finds the interpreter's caches cold: a microsecond of work in a loop costs it three. So it only has
to write down what it knows, and the sender, which has many at a time, makes the events. All that an id
depends on is among the facts, so that whoever makes the event, after a crash too, makes the same one. The
client's address is not: its hash stands for it.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.events import (
    MAX_HOST,
    MAX_METHOD,
    MAX_PATH,
    MAX_REQUEST_ID,
    MAX_USER_AGENT,
    InvalidEvent,
    TrafficEvent,
    storable,
)

MAX_SAID = 33  # characters; more than a country or a time of request can have
USUAL_BYTES = 2_000  # what is longer, encoded, is looked at field by field


class Facts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One request, as it came. A later version may only add fields, at the end, with defaults.

    The bounds are kept by `bounded` and `decode`; a request has no time for them.
    """

    arrival: int  # ms since the epoch
    duration: int  # us until it was answered
    status: int
    response_bytes: int
    method: Annotated[str, Meta(max_length=MAX_METHOD)]
    path: Annotated[str, Meta(max_length=MAX_PATH)]
    pattern: Annotated[str, Meta(max_length=MAX_PATH)] | None  # of the URL that matched
    client_ip_hash: str
    request_id: Annotated[str, Meta(max_length=MAX_REQUEST_ID)]
    host: Annotated[str, Meta(max_length=MAX_HOST)]
    user_agent: Annotated[str, Meta(max_length=MAX_USER_AGENT)]
    # This and the next as a trusted proxy said it, empty if none did.
    request_start: Annotated[str, Meta(max_length=MAX_SAID)]
    country: Annotated[str, Meta(max_length=MAX_SAID)]
    from_edge: bool = False  # its id came from the edge: the same one again is a repeat

    def bounded(self) -> Facts:
        """With each text as PostgreSQL and JSON can hold it, none longer than its event's."""
        return Facts(
            self.arrival,
            self.duration,
            self.status,
            self.response_bytes,
            storable(self.method, MAX_METHOD),
            storable(self.path, MAX_PATH),
            self.pattern and storable(self.pattern, MAX_PATH),
            self.client_ip_hash,
            storable(self.request_id, MAX_REQUEST_ID),
            storable(self.host, MAX_HOST),
            storable(self.user_agent, MAX_USER_AGENT),
            storable(self.request_start, MAX_SAID),
            storable(self.country, MAX_SAID),
            self.from_edge,
        )


class _Unbounded(Facts, frozen=True, array_like=True, gc=False):
    """The same, to be read however long its texts are."""

    method: str
    path: str
    pattern: str | None
    request_id: str
    host: str
    user_agent: str
    request_start: str
    country: str


Countable = Facts | TrafficEvent

encode = msgspec.json.Encoder().encode  # of what is usual; `write_down` takes anything
_decoder = msgspec.json.Decoder(Facts)
_decode_unbounded = msgspec.json.Decoder(_Unbounded).decode
# How JSON writes the one character that can be in what is decoded and not in PostgreSQL.
_NUL = b"\\u0000"


def write_down(what: Countable) -> bytes:
    """It as JSON; facts as an array, which is what `decode` reads."""
    try:
        encoded = encode(what)
    except UnicodeEncodeError:  # a lone surrogate; an event has none
        pass
    else:
        if len(encoded) <= USUAL_BYTES or isinstance(what, TrafficEvent):
            return encoded
    assert isinstance(what, Facts)
    return encode(what.bounded())


def are_facts(payload: bytes) -> bool:
    """Whether it begins as facts do, and no event."""
    return payload.startswith(b"[")


def decode(payload: bytes) -> Facts:
    """The facts in `payload`, bounded. Raises InvalidEvent."""
    try:
        if _NUL not in payload:
            return _decoder.decode(payload)
    except msgspec.ValidationError:  # a text may be too long
        pass
    except (msgspec.DecodeError, RecursionError) as error:
        raise _no_facts(error) from None
    try:
        return _decode_unbounded(payload).bounded()
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise _no_facts(error) from None


def decode_lines(lines: bytes, count: int) -> list[Facts] | None:
    """The facts of so many lines, each with its end, if they hold nothing else; else None, to decode each.

    The same as `decode` gives, in half the time: nearly all lines are just that.
    """
    if b"\\" in lines and _NUL in lines:  # the first look takes a tenth of the second
        return None
    try:
        found = _decoder.decode_lines(lines)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return found if len(found) == count else None


def _no_facts(error: Exception) -> InvalidEvent:
    return InvalidEvent(f"no facts of a request: {error}")
