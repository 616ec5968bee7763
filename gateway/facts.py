"""Facts: what is written down of a request before its answer leaves; its event is made of them afterwards.

A request finds the interpreter's caches cold: a microsecond of work in a loop costs it three. So it only has
to write down what it knows, and the sender, which has many at a time, makes the events. All that an id
depends on is among the facts, so that whoever makes the event, after a crash too, makes the same one. The
client's address is not: its hash stands for it.
"""

from __future__ import annotations

import msgspec

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
    """One request, as it came. A later version may only add fields, at the end, with defaults."""

    arrival: int  # ms since the epoch
    duration: int  # us until it was answered
    status: int
    response_bytes: int
    method: str
    path: str
    pattern: str | None  # of the URL that matched
    client_ip_hash: str
    request_id: str
    host: str
    user_agent: str
    request_start: str  # this and the next as a trusted proxy said it, empty if none did
    country: str

    def bounded(self) -> Facts:
        """With each text as PostgreSQL and JSON can hold it, none longer than its event's."""
        return msgspec.structs.replace(
            self,
            method=storable(self.method, MAX_METHOD),
            path=storable(self.path, MAX_PATH),
            pattern=self.pattern and storable(self.pattern, MAX_PATH),
            request_id=storable(self.request_id, MAX_REQUEST_ID),
            host=storable(self.host, MAX_HOST),
            user_agent=storable(self.user_agent, MAX_USER_AGENT),
            request_start=storable(self.request_start, MAX_SAID),
            country=storable(self.country, MAX_SAID),
        )


Countable = Facts | TrafficEvent

_encode = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(Facts)


def write_down(what: Countable) -> bytes:
    """It as JSON; facts as an array, which is what `decode` reads."""
    try:
        encoded = _encode(what)
    except UnicodeEncodeError:  # a lone surrogate; an event has none
        pass
    else:
        if len(encoded) <= USUAL_BYTES or isinstance(what, TrafficEvent):
            return encoded
    assert isinstance(what, Facts)
    return _encode(what.bounded())


def are_facts(payload: bytes) -> bool:
    """Whether it begins as facts do, and no event."""
    return payload.startswith(b"[")


def decode(payload: bytes) -> Facts:
    """The facts in `payload`. Raises InvalidEvent."""
    try:
        return _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise InvalidEvent(f"no facts of a request: {error}") from None
