"""How values, hashes and words are stored: the first two sorted, in 4 and 8 bytes each; words in half."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]  # ms
Hashes = NDArray[np.uint64]

_WORDS = struct.Struct("<II")  # words, those of them that need more than 16 bits

NO_VALUES: Values = np.empty(0, dtype=np.float32)
NO_HASHES: Hashes = np.empty(0, dtype=np.uint64)


def write_values(values: Values) -> bytes:
    """The bytes to store: the same for any order of the same values."""
    ordered = values.astype("<f4")
    ordered.sort()  # np.sort takes four times as long for so few
    return ordered.tobytes()


def read_values(payload: bytes, count: int) -> Values:
    """The values in `payload`. Raises ValueError if it holds another number of them."""
    if len(payload) != 4 * count:
        raise ValueError(f"{len(payload)} bytes where {count} values of 4 bytes belong")
    return np.frombuffer(payload, dtype="<f4").astype(np.float32)


def as_float(value: np.float32) -> float:
    """The shortest decimal that float32 takes for the same value: 12.345, not 12.34500026…."""
    return float(str(value))


def united(sorted_hashes: Hashes, others: Hashes) -> Hashes:
    """All of them, sorted, each once: np.union1d, which takes four times as long for so few."""
    if len(others) == 1:
        return _with_one(sorted_hashes, others)
    every = np.concatenate((sorted_hashes, others))
    every.sort()
    is_first = np.empty(len(every), dtype=np.bool_)
    is_first[:1] = True
    np.not_equal(every[1:], every[:-1], out=is_first[1:])
    return every[is_first]


def _with_one(sorted_hashes: Hashes, other: Hashes) -> Hashes:
    """As `united`, with one more: most rows of many routes get one at a time."""
    place = int(sorted_hashes.searchsorted(other[0]))
    if place < len(sorted_hashes) and sorted_hashes[place] == other[0]:
        return sorted_hashes
    return np.concatenate((sorted_hashes[:place], other, sorted_hashes[place:]))


def write_hashes(hashes: Hashes) -> bytes:
    """The bytes to store, of hashes that are sorted."""
    return hashes.astype("<u8", copy=False).tobytes()


def read_hashes(payload: bytes, at_most: int) -> Hashes:
    """The hashes in `payload`. Raises ValueError if it holds more, or no whole number of them."""
    if len(payload) % 8 or len(payload) > 8 * at_most:
        raise ValueError(f"{len(payload)} bytes where at most {at_most} hashes of 8 bytes belong")
    return np.frombuffer(payload, dtype="<u8").astype(np.uint64)


def write_words(data: bytes) -> bytes:
    """Bytes that are little-endian integers of 32 bits, nearly all below 65,536, in about half as many.

    Deflating takes off a third more, and ten times as long: of a hundred rows as long as storing hundreds of
    events.
    """
    whole = len(data) // 4 * 4
    words = np.frombuffer(data[:whole], dtype="<u4")
    large = np.flatnonzero(words >> 16)
    return b"".join(
        (
            _WORDS.pack(len(words), len(large)),
            words.astype("<u2").tobytes(),
            large.astype("<u4").tobytes(),
            (words[large] >> 16).astype("<u2").tobytes(),
            data[whole:],
        )
    )


def read_words(payload: bytes) -> bytes:
    """What `write_words` was given. Raises ValueError or struct.error if it made no such payload."""
    count, large_count = _WORDS.unpack_from(payload)
    words = np.frombuffer(payload, "<u2", count, _WORDS.size).astype("<u4")
    places_at = _WORDS.size + 2 * count
    large = np.frombuffer(payload, "<u4", large_count, places_at)
    if large_count and int(large.max()) >= count:
        raise ValueError(f"place {large.max()} of {count} words")
    halves_at = places_at + 4 * large_count
    words[large] |= np.frombuffer(payload, "<u2", large_count, halves_at).astype("<u4") << 16
    return words.tobytes() + payload[halves_at + 2 * large_count :]
