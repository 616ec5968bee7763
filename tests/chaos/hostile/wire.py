"""What one attack is, and the bytes of a request that is valid but for what an attack changes of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Header = tuple[bytes, bytes]

# Stands in each request's id, or else in its path: by it an event is found again. With a `p` it is a
# pipelined request, which may be answered or not, and several times.
MARK = re.compile(r"[mp]\d{7}z")
HOST = b"127.0.0.1"


@dataclass(frozen=True, slots=True)
class Attack:
    """Bytes for one connection, and how they are sent."""

    kind: str
    mark: str
    parts: tuple[bytes, ...]  # each its own write
    pause: float = 0.0  # seconds between two of them
    # Then: wait for the answer, or first say that no more will come, or reset without waiting.
    end: Literal["wait", "half_close", "reset"] = "wait"
    traffic: bool = True  # whether it is counted if it gets as far as Django
    wished: int | None = None  # the status it asks for: a 5xx that is no fault


def mark_of(number: int) -> str:
    return f"m{number:07d}z"


def request(
    mark: str,
    *,
    method: bytes = b"GET",
    target: bytes | None = None,
    version: bytes = b"HTTP/1.1",
    host: bytes = HOST,
    headers: Sequence[Header] = (),
    body: bytes = b"",
) -> bytes:
    """A whole request; each header as given, without a check. The mark is its `X-Request-ID`."""
    where = b"/api/test/" + mark.encode() if target is None else target
    lines = [
        b" ".join((method, where, version)),
        b"Host: " + host,
        b"X-Request-ID: " + mark.encode(),
        *(name + b": " + value for name, value in headers),
        b"Connection: close",
    ]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
