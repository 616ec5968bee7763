"""What every stored summary begins with: its kind, its version and a checksum.

A row says by itself what it holds, so rows written under another `STATS_ESTIMATOR` are still read. The
checksum stands before the library that parses the rest in C++, which trusts its input: damaged bytes can
make it crash the process. (It guards against damage, not against someone who may write these tables.)
"""

from __future__ import annotations

import struct
import zlib
from functools import cache

VERSION = 1
LATENCY_SKETCH, LATENCY_RESERVOIR = b"LS", b"LR"
CLIENT_SKETCH, CLIENT_MINIMUM = b"CS", b"CM"

# What unpacking and the library raise for a body that they can't read.
UNREADABLE = (ValueError, RuntimeError, IndexError, MemoryError, struct.error)

_HEAD = struct.Struct("<2sBI")  # kind, version, CRC-32 of all else


class CorruptSummary(ValueError):
    """Stored bytes that are no summary of the kind that was asked for, or not of this version."""


def seal(kind: bytes, body: bytes) -> bytes:
    """The bytes to store."""
    return _HEAD.pack(kind, VERSION, _checksum(kind, VERSION, body)) + body


def unseal(data: bytes | memoryview, *kinds: bytes) -> tuple[bytes, bytes]:
    """Kind and body of a stored summary. Raises CorruptSummary unless it is whole and of one of `kinds`."""
    data = bytes(data)
    if len(data) < _HEAD.size:
        raise CorruptSummary(f"{len(data)} bytes are no summary: its head alone has {_HEAD.size}")
    kind, version, checksum = _HEAD.unpack_from(data)
    if kind not in kinds:
        expected = " or ".join(repr(each) for each in kinds)
        raise CorruptSummary(f"a summary of kind {kind!r} where {expected} was expected")
    if version != VERSION:
        raise CorruptSummary(f"{kind!r} summary of version {version}; this program reads version {VERSION}")
    body = data[_HEAD.size :]
    if checksum != _checksum(kind, version, body):
        raise CorruptSummary(f"{kind!r} summary of {len(data)} bytes is damaged: its checksum does not match")
    return kind, body


def _checksum(kind: bytes, version: int, body: bytes) -> int:
    return zlib.crc32(body, _begun(kind, version))


@cache
def _begun(kind: bytes, version: int) -> int:
    return zlib.crc32(kind + bytes([version]))
