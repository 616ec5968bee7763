"""Values and hashes as they are stored: sorted, one after the other, 4 and 8 bytes each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float32]  # ms
Hashes = NDArray[np.uint64]

NO_VALUES: Values = np.empty(0, dtype=np.float32)
NO_HASHES: Hashes = np.empty(0, dtype=np.uint64)


def write_values(values: Values) -> bytes:
    """The bytes to store: the same for any order of the same values."""
    return np.sort(values).astype("<f4").tobytes()


def read_values(payload: bytes, count: int) -> Values:
    """The values in `payload`. Raises ValueError if it holds another number of them."""
    if len(payload) != 4 * count:
        raise ValueError(f"{len(payload)} bytes where {count} values of 4 bytes belong")
    return np.frombuffer(payload, dtype="<f4").astype(np.float32)


def as_float(value: np.float32) -> float:
    """The shortest decimal that float32 takes for the same value: 12.345, not 12.34500026…."""
    return float(str(value))


def write_hashes(hashes: Hashes) -> bytes:
    """The bytes to store, of hashes that are sorted."""
    return hashes.astype("<u8").tobytes()


def read_hashes(payload: bytes, at_most: int) -> Hashes:
    """The hashes in `payload`. Raises ValueError if it holds more, or no whole number of them."""
    if len(payload) % 8 or len(payload) > 8 * at_most:
        raise ValueError(f"{len(payload)} bytes where at most {at_most} hashes of 8 bytes belong")
    return np.frombuffer(payload, dtype="<u8").astype(np.uint64)
