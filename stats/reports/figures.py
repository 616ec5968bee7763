"""Figures out of counts that were added up and summaries that were merged."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stats.estimators import ClientSummary, CorruptSummary, Distinct, LatencySummary, estimator
from stats.reports.shapes import Figures, Quantile, StatusClasses

logger = logging.getLogger(__name__)

RANKS = (0.5, 0.9, 0.95, 0.99)
_NO_STATUSES = StatusClasses(0, 0, 0, 0, 0)


@dataclass(frozen=True)
class Counts:
    """Sums of rollup rows; of no rows, zeros. Of imported requests nothing but the first two is known."""

    requests: int = 0
    errors: int = 0
    statuses: StatusClasses | None = _NO_STATUSES
    response_bytes: int | None = 0
    time_sum: float | None = None  # ms, as the next two
    minimum: float | None = None
    maximum: float | None = None
    imported: int = 0  # of the requests

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Counts:
        """From the columns `rows.COUNTS`, all None where there was nothing to add up.

        The last one may be missing: events are not imported.
        """
        if not row[0]:
            return cls()
        statuses = None if row[2] is None else StatusClasses(*row[2:7])
        return cls(row[0], row[1], statuses, *row[7:])

    @property
    def error_rate(self) -> float:
        return self.errors / self.requests if self.requests else 0.0

    @property
    def mean(self) -> float | None:
        """Milliseconds, of the requests whose time is known."""
        return None if self.time_sum is None else self.time_sum / (self.requests - self.imported)


@dataclass
class Merged:
    """The summaries of some rows in one. A row without, or with a damaged one, is left out and remembered."""

    latency: LatencySummary = field(default_factory=lambda: estimator().latency())
    clients: ClientSummary = field(default_factory=lambda: estimator().clients())
    lacks_clients: bool = False

    def add(self, response_times: bytes | memoryview, clients: bytes | memoryview) -> None:
        if response_times:
            self.add_latency(response_times)
        self.add_clients(clients)

    def add_latency(self, stored: bytes | memoryview) -> None:
        try:
            self.latency.merge(estimator().latency(stored))
        except CorruptSummary as error:
            logger.error("A rollup's response times can't be read: %s", error)

    def add_clients(self, stored: bytes | memoryview) -> None:
        try:
            if stored:
                self.clients.merge(estimator().clients(stored))
                return
        except CorruptSummary as error:
            logger.error("A rollup's clients can't be read: %s", error)
        self.lacks_clients = True

    @classmethod
    def from_parts(cls, response_times: bytes, clients: bytes, lacks_clients: bool) -> Merged:
        """What `to_parts` gave."""
        one = estimator()
        return cls(one.latency(response_times), one.clients(clients), lacks_clients)

    def to_parts(self) -> tuple[bytes, bytes, bool]:
        """All of it, for keeping."""
        return self.latency.to_bytes(), self.clients.to_bytes(), self.lacks_clients

    @property
    def p95(self) -> float | None:
        """Milliseconds."""
        return self.quantiles([0.95])[0]

    def quantiles(self, ranks: Sequence[float]) -> list[float | None]:
        """Milliseconds."""
        return [found.value for found in self.latency.quantiles(ranks)]

    def distinct(self) -> Distinct:
        """Distinct clients; only a lower bound where a row did not say."""
        found = self.clients.estimate()
        if not self.lacks_clients:
            return found
        return replace(found, upper=None, is_exact=False, is_lower_bound=True)


def figures(counts: Counts, merged: Merged) -> Figures:
    """All that a report says of some requests. Nothing is exact that does not know all of them."""
    knows_all = merged.latency.count >= counts.requests
    quantiles = _quantiles(merged.latency, knows_all)
    return Figures(
        requests=counts.requests,
        errors=counts.errors,
        error_rate=counts.error_rate,
        statuses=counts.statuses,
        response_bytes=counts.response_bytes,
        mean=counts.mean,
        minimum=counts.minimum,
        maximum=counts.maximum,
        p50=quantiles[0],
        p90=quantiles[1],
        p95=quantiles[2],
        p99=quantiles[3],
        clients=_distinct(counts, merged),
        summarised=merged.latency.count,
        imported=counts.imported,
    )


def _distinct(counts: Counts, merged: Merged) -> Distinct | None:
    """None if the clients of no request are known; only a lower bound if those of some are not."""
    if not counts.imported:
        return merged.distinct()
    if counts.imported == counts.requests:
        return None
    return replace(merged.distinct(), upper=None, is_exact=False, is_lower_bound=True)


def _quantiles(latency: LatencySummary, knows_all: bool) -> list[Quantile | None]:
    return [
        None
        if found.value is None or found.lower is None or found.upper is None
        else Quantile(found.value, found.lower, found.upper, latency.is_exact and knows_all)
        for found in latency.quantiles(RANKS)
    ]
