"""TrafficEvent: the one schema of an event, its validation and its encoding.

`encode` and `decode` are the only ways out of and into Python. What a client sent is made storable
before it becomes an event (`storable`), so that nothing a request holds can make its batch fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway.idempotency import FIRST_TIMESTAMP, ID_PATTERN, LAST_TIMESTAMP

SCHEMA_VERSION = 1

MAX_PATH = 2048  # characters, as the next ones
MAX_ROUTE = 512
MAX_METHOD = 16
MAX_REQUEST_ID = 128
MAX_HOST = 255
MAX_USER_AGENT = 512
MAX_RESPONSE_TIME = 7 * 86_400_000.0  # ms; a stream may stay open for days
MAX_BYTES = 2**40  # an hour's sum of some million such answers still fits into a bigint
MIN_STATUS, MAX_STATUS = 100, 599
MAX_TOLERATED = 20_000_000  # bytes of a broken batch that are searched for its events; some seconds' work

# A string, which at the end of the text may lack its own end, or what stands outside of strings. Possessive,
# so that no text makes it look twice at anything.
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)
_STEPS = {b"[": 1, b"{": 1, b"]": -1, b"}": -1, b",": 0}


class InvalidEvent(ValueError):
    """An event that never can be counted as it is. `field` names the guilty field where one is known."""

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class UndecodableEvent(InvalidEvent):
    """What was received is no JSON object at all."""


class TrafficEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One request that passed the gateway. DESIGN's "Names" says what each field means."""

    idempotent_id: Annotated[str, Meta(min_length=22, max_length=22)]  # and as _PATTERNS say, these three
    timestamp: Annotated[int, Meta(ge=FIRST_TIMESTAMP, le=LAST_TIMESTAMP)]  # ms since the epoch
    path: Annotated[str, Meta(min_length=1, max_length=MAX_PATH)]
    route: Annotated[str, Meta(min_length=1, max_length=MAX_ROUTE)]
    method: Annotated[str, Meta(min_length=1, max_length=MAX_METHOD)]
    status: Annotated[int, Meta(ge=MIN_STATUS, le=MAX_STATUS)]
    response_time: Annotated[float, Meta(ge=0, le=MAX_RESPONSE_TIME)]  # ms
    client_ip_hash: Annotated[str, Meta(min_length=16, max_length=16)]
    request_id: Annotated[str, Meta(min_length=1, max_length=MAX_REQUEST_ID)]
    host: Annotated[str, Meta(max_length=MAX_HOST)] = ""
    user_agent: Annotated[str, Meta(max_length=MAX_USER_AGENT)] = ""
    response_bytes: Annotated[int, Meta(ge=0, le=MAX_BYTES)] = 0
    country: Annotated[str, Meta(max_length=2)] = ""
    v: Annotated[int, Meta(ge=SCHEMA_VERSION, le=SCHEMA_VERSION)] = SCHEMA_VERSION


# Checked after decoding, not by it: msgspec would ask Python's `re` three times an event, which takes longer
# than all the rest. Those of a whole batch are asked at once, with the timestamp, which begins the id; since
# the length of each is known by then, they need nothing between them.
_PATTERNS = {
    "idempotent_id": ID_PATTERN,
    "client_ip_hash": r"^[0-9a-f]{16}\Z",
    "country": r"^(?:[A-Z0-9]{2})?\Z",
}
_EACH = {name: re.compile(pattern) for name, pattern in _PATTERNS.items()}
_BATCH = re.compile(r"(?:([0-9]{13})\1-[0-9a-f]{8}[0-9a-f]{16}(?:[A-Z0-9]{2})?\n)*+")

# The event as one JSON object, in UTF-8. No function of ours: each event would pay for a call.
encode: Callable[[TrafficEvent], bytes] = msgspec.json.Encoder().encode
# Events as one array of such objects, in half the time that `encode_batch` of each encoded takes.
encode_events: Callable[[Sequence[TrafficEvent]], bytes] = msgspec.json.Encoder().encode
_decoder = msgspec.json.Decoder(TrafficEvent)
_batch_decoder = msgspec.json.Decoder(list[TrafficEvent])
_splitter = msgspec.json.Decoder(list[msgspec.Raw])


def encode_batch(events: Iterable[bytes]) -> bytes:
    """Encoded events as one JSON array."""
    return b"[" + b",".join(events) + b"]"


def decode(payload: bytes | str | msgspec.Raw) -> TrafficEvent:
    """The event in `payload`.

    Raises UndecodableEvent for what is no JSON object, InvalidEvent, which names the field, for one that
    breaks the schema.
    """
    try:
        event = _decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise _invalid(payload, str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise UndecodableEvent(f"not JSON: {error}") from None
    _refuse_nul(event, bytes(payload) if isinstance(payload, msgspec.Raw) else payload)
    for field, pattern in _EACH.items():
        if not pattern.match(getattr(event, field)):
            raise InvalidEvent(f"{field}: Expected `str` matching regex {_PATTERNS[field]!r}", field)
    if event.idempotent_id[:13] != str(event.timestamp):
        raise InvalidEvent(
            f"idempotent_id: begins with {event.idempotent_id[:13]}, but timestamp is {event.timestamp}",
            "idempotent_id",
        )
    return event


def decode_batch(payload: bytes | str) -> list[TrafficEvent] | None:
    """The events of an array that holds nothing but valid ones; None for any other, to be taken apart.

    The same checks as `decode` makes, five times as fast: nearly every batch is just that.
    """
    try:
        events = _batch_decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    if "\\u0000" in payload if isinstance(payload, str) else b"\\u0000" in payload:
        return None  # most likely a NUL, which `decode` names
    checked = "".join(
        [f"{event.timestamp}{event.idempotent_id}{event.client_ip_hash}{event.country}\n" for event in events]
    )
    return events if _BATCH.fullmatch(checked) else None


def split_batch(payload: bytes | str) -> list[bytes]:
    """The encoded events of an array, each still as received; one that is no JSON spoils no other.

    Raises UndecodableEvent for what is no array.
    """
    try:
        return [bytes(raw) for raw in _splitter.decode(payload)]
    except UnicodeError as error:
        raise UndecodableEvent(f"batch is no JSON array: {error}") from None
    except (msgspec.DecodeError, RecursionError) as error:
        parts = _between_commas(payload if isinstance(payload, bytes) else payload.encode())
        if not parts:
            raise UndecodableEvent(f"batch is no JSON array: {error}") from None
        return parts


def _between_commas(payload: bytes) -> list[bytes] | None:
    """What stands between the commas of one array, read by its strings and brackets alone.

    They are found however wrong the values between them are (NaN, a lone surrogate, any nesting), which a
    JSON scanner, however tolerant, stumbles over. None if they don't make one array, or in too large a text.
    """
    text = payload.strip()
    if len(text) > MAX_TOLERATED or not (text.startswith(b"[") and text.endswith(b"]")):
        return None
    parts, depth, start = [], 0, 1
    for token in _STRUCTURE.finditer(text):
        step = _STEPS.get(token[0])
        if step is None:
            continue
        depth += step
        if depth == 0 or (depth == 1 and step == 0):
            parts.append(text[start : token.start()].strip())
            start = token.end()
        if depth == 0:
            break
    return [part for part in parts if part] if depth == 0 and start == len(text) else None


def fields_of(payload: bytes | str) -> dict[str, Any] | None:
    """What can be read of an event that may be invalid; None if it is no JSON object."""
    try:
        found = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refuse_nul(event: TrafficEvent, payload: bytes | str) -> None:
    """PostgreSQL's text holds no NUL. JSON writes one as an escape only, so most events are done at once."""
    escape_found = b"\\u0000" in payload if isinstance(payload, bytes) else "\\u0000" in payload
    if not escape_found:
        return
    for field in event.__struct_fields__:
        value = getattr(event, field)
        if isinstance(value, str) and "\x00" in value:
            raise InvalidEvent(f"{field}: holds a NUL character", field)


def _invalid(payload: bytes | str | msgspec.Raw, message: str) -> InvalidEvent:
    """msgspec's message names the field as a path (`- at `$.status``) or in its text."""
    received = fields_of(bytes(payload) if isinstance(payload, msgspec.Raw) else payload)
    if received is None:
        return UndecodableEvent(f"not a JSON object: {message}")
    version = received.get("v", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        return InvalidEvent(f"v: {version!r:.60} is no known schema version (known: {SCHEMA_VERSION})", "v")
    if "`$." in message:
        field = message.split("`$.", 1)[1].split("`", 1)[0]
        reason = message.split(" - at", 1)[0]
        return InvalidEvent(f"{field}: {reason}", field)
    if "required field `" in message:
        field = message.split("required field `", 1)[1].split("`", 1)[0]
        return InvalidEvent(f"{field}: required, but missing", field)
    return InvalidEvent(message)


def storable(text: str, limit: int) -> str:
    """`text` as PostgreSQL and JSON can hold it, at most `limit` characters long.

    What was changed stays visible: a NUL becomes U+2400 (the symbol for NUL), a lone surrogate or invalid
    byte U+FFFD, and a cut text ends in U+2026 (an ellipsis).
    """
    if len(text) > limit:
        text = text[: limit - 1] + "\u2026"
    if text.isascii() and "\x00" not in text:
        return text
    # By way of UTF-16, where a lone surrogate is one wrong unit: the text must not grow past its bound.
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\x00", "\u2400")
