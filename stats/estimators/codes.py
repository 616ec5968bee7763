"""Response times as whole numbers from 0 to 65,535, for the sketch.

A code is the top of a float32's bits: its exponent and ten bits of its fraction. That keeps the order,
spaces codes 0.1 % apart from 1 microsecond (2^-10 ms) on, and lets a stored sketch shrink by half, since
half of every integer is zero.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

_DROPPED = 13  # of the fraction's 23 bits
_FIRST = (127 - 10) << 10  # what 2^-10 ms has there; all below shares code 0
LAST_CODE = 65_535
_INTEGER, _FLOAT = struct.Struct("=i"), struct.Struct("=f")  # a few at a time: an array would take longer


def encode(milliseconds: NDArray[np.float32]) -> NDArray[np.int32]:
    """The code of each value, which must not be negative."""
    bits = milliseconds.view(np.int32) >> _DROPPED
    codes: NDArray[np.int32] = np.minimum(np.maximum(bits - _FIRST, 0), LAST_CODE)  # np.clip takes longer
    return codes


def lower_edge(code: int) -> float:
    """The smallest value in ms that has this code; `lower_edge(code + 1)` is the first beyond it."""
    if code <= 0:
        return 0.0
    edge: float = _FLOAT.unpack(_INTEGER.pack((code + _FIRST) << _DROPPED))[0]
    return edge


def middle(code: int) -> float:
    """The value in ms that stands for a code: none that has it is further than 0.05 % away."""
    return (lower_edge(code) + lower_edge(code + 1)) / 2
