"""Estimators of response times and of distinct clients that can be merged over routes and hours.

    one = estimator()                       # of the setting STATS_ESTIMATOR
    latency = one.latency(row.latency)      # stored bytes, or none for an empty summary
    latency.update([12.5, 80.1])
    row.latency = latency.to_bytes()
    one.merged_latency(rows).quantiles([0.5, 0.99])

docs/estimators.md says what is estimated, how, and how well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.conf import conf
from stats.estimators.client_minimum import MinimumClients
from stats.estimators.client_sketch import SketchClients
from stats.estimators.clients import ClientSummary, parse_hashes
from stats.estimators.figures import Distinct, Quantile
from stats.estimators.frame import CorruptSummary, unseal
from stats.estimators.latency import LatencySummary
from stats.estimators.latency_reservoir import ReservoirLatency
from stats.estimators.latency_sketch import SketchLatency
from stats.estimators.packed import Hashes, Values

__all__ = [
    "ESTIMATORS",
    "ClientSummary",
    "CorruptSummary",
    "Distinct",
    "Estimator",
    "Hashes",
    "LatencySummary",
    "Quantile",
    "Values",
    "estimator",
    "parse_hashes",
]

Stored = bytes | memoryview

_LATENCIES: dict[bytes, type[LatencySummary]] = {
    each.kind: each for each in (SketchLatency, ReservoirLatency)
}
_CLIENTS: dict[bytes, type[ClientSummary]] = {each.kind: each for each in (SketchClients, MinimumClients)}


@dataclass(frozen=True)
class Estimator:
    """One implementation. It also reads what the other stored, and goes on with that in its kind."""

    name: str
    new_latency: type[LatencySummary]
    new_clients: type[ClientSummary]

    def latency(self, stored: Stored | None = None) -> LatencySummary:
        """The stored summary, or an empty one. Raises CorruptSummary, a ValueError."""
        if stored is None:
            return self.new_latency()
        kind, _ = unseal(stored, *_LATENCIES)
        return _LATENCIES[kind].from_bytes(stored)

    def clients(self, stored: Stored | None = None) -> ClientSummary:
        """The stored summary, or an empty one. Raises CorruptSummary, a ValueError."""
        if stored is None:
            return self.new_clients()
        kind, _ = unseal(stored, *_CLIENTS)
        return _CLIENTS[kind].from_bytes(stored)

    def merged_latency(self, rows: Iterable[Stored]) -> LatencySummary:
        """All rows in one summary of this implementation. Raises CorruptSummary, a ValueError."""
        merged = self.new_latency()
        for row in rows:
            merged.merge(self.latency(row))
        return merged

    def merged_clients(self, rows: Iterable[Stored]) -> ClientSummary:
        """All rows in one summary of this implementation. Raises CorruptSummary, a ValueError."""
        merged = self.new_clients()
        for row in rows:
            merged.merge(self.clients(row))
        return merged


ESTIMATORS = {
    each.name: each
    for each in (
        Estimator("sketch", SketchLatency, SketchClients),
        Estimator("reservoir", ReservoirLatency, MinimumClients),
    )
}


def estimator(name: str | None = None) -> Estimator:
    """The implementation of this name; without one, of the setting. Raises ValueError for no such name."""
    wanted = conf.estimator if name is None else name
    if wanted not in ESTIMATORS:
        raise ValueError(f"STATS_ESTIMATOR: {wanted!r} is none of {', '.join(ESTIMATORS)}")
    return ESTIMATORS[wanted]
