"""The quantile sketches of Apache DataSketches as they come: `script/bench estimators --candidates`.

Without the exact list and the packing of `stats/estimators/`. Each hour is stored and merged as bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import datasketches
import numpy as np

RANKS = (0.5, 0.95, 0.99)
CANDIDATES = {
    **{f"REQ k={k}": (datasketches.req_floats_sketch, k) for k in (6, 8, 12)},
    **{f"KLL k={k}": (datasketches.kll_floats_sketch, k) for k in (200, 400)},
    **{f"t-digest k={k}": (datasketches.tdigest_float, k) for k in (100, 200)},
}
CASES = ((100_000, 1), (40_000, 24))  # values an hour, hours


def measure(rounds: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Value errors in per cent, and bytes as the library writes them and deflated."""
    random = np.random.default_rng(1)
    for size, hours in CASES:
        for _ in range(rounds):
            values = [random.lognormal(3, 1, size).astype(np.float32) for _ in range(hours)]
            exact = np.quantile(np.concatenate(values), RANKS, method="inverted_cdf").tolist()
            for name, (kind, k) in CANDIDATES.items():
                rows = [_row(kind, k, hour) for hour in values]
                merged = kind(k)
                for row in rows:
                    merged.merge(kind.deserialize(row))
                found = [_quantile(merged, rank) for rank in RANKS]
                errors = {
                    f"p{rank * 100:.0f} %": abs(value / right - 1) * 100
                    for rank, value, right in zip(RANKS, found, exact, strict=True)
                }
                sizes = {"row": max(map(len, rows)), "deflated": float(len(zlib.compress(rows[0], 1)))}
                case = {"sketch": name, "hours": hours, "values an hour": size}
                yield "candidates", {**case, **sizes, "merged": len(merged.serialize()), **errors}


def _row(kind: Any, k: int, values: np.ndarray) -> bytes:
    sketch = kind(k)
    sketch.update(values)
    serialized: bytes = sketch.serialize()
    return serialized


def _quantile(sketch: Any, rank: float) -> float:
    if isinstance(sketch, datasketches.tdigest_float):
        return float(sketch.get_quantile(rank))
    return float(sketch.get_quantile(rank, True))
