"""What a summary answers, and the definition of a quantile that both implementations share.

The quantile of rank r among n values is the nearest rank, inclusive: the smallest value that at least
r * n of the values do not exceed. It is always one of the values. Rank 0 is the minimum, 1 the maximum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

CONFIDENCE = 2  # standard deviations on either side of an estimate: about 95 %


@dataclass(frozen=True)
class Quantile:
    """The value at `rank` in ms, and the values at the ends of the rank's error; None of no values."""

    rank: float  # 0 to 1
    value: float | None
    lower: float | None
    upper: float | None


@dataclass(frozen=True)
class Distinct:
    """How many different clients. `upper` is None where nothing is known of it."""

    estimate: int
    lower: int
    upper: int | None
    is_exact: bool
    is_lower_bound: bool  # `estimate` is only the least number there can be


def nearest_rank(rank: float, count: int) -> int:
    """Position, from 0, of the quantile among `count` sorted values."""
    # Rounded first: 0.07 * 100 is a little over 7 in binary and would become the eighth value.
    return max(0, math.ceil(round(rank * count, 9)) - 1)
