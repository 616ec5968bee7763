"""The highest by an estimate that only merging gives, without merging everything.

The threshold algorithm (Fagin, Lotem, Naor, "Optimal Aggregation Algorithms for Middleware", PODS 2001):
candidates come in the order of an upper bound that is cheap to know, and once as many as are wanted reach
at least the next candidate's bound, no further one can be among them. A merged p95 is at most the largest
row's, a union of clients at most the sum of the rows'. Both hold for the true figures; those here are
estimates, so the order is one, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from stats.reports.errors import ReportTimedOut
from stats.reports.ranking import Ranked

Valued = tuple[float, Ranked]


def highest(
    chunks: Iterable[Sequence[Ranked]],
    values: Callable[[Sequence[str]], Mapping[str, float]],
    wanted: int,
    seconds: float,
) -> list[Ranked]:
    """The first `wanted` routes by `values`, which merges the summaries of some routes.

    Equal ones in the order of their bounds and then of their names, so that pages fit together. Raises
    ReportTimedOut.
    """
    ends_at = time.monotonic() + seconds
    best: list[Valued] = []
    for chunk in chunks:
        if len(best) == wanted and best[-1][0] >= chunk[0].bound:
            break
        if time.monotonic() > ends_at:
            raise ReportTimedOut(f"ordering the routes took longer than {seconds:g} s")
        found = values([candidate.route for candidate in chunk])
        best += [(found.get(candidate.route, 0.0), candidate) for candidate in chunk]
        best = sorted(best, key=_descending)[:wanted]
    return [candidate for _, candidate in best]


def _descending(valued: Valued) -> tuple[float, float, str]:
    value, candidate = valued
    return -value, -candidate.bound, candidate.route
