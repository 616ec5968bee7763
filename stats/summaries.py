"""The summaries of a row as they are stored, whatever became of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from stats.estimators import ClientSummary, LatencySummary, estimator
from stats.estimators.top_values import TopValuesSummary

logger = logging.getLogger(__name__)

Summary = TypeVar("Summary")


def read(response_times: bytes, clients: bytes) -> tuple[LatencySummary, ClientSummary]:
    """A row's summaries. One that is missing or can't be read must not stop the counting: a new one begins.

    What it lacks shows: the new one of clients gives lower bounds, that of times has counted fewer requests
    than its row.
    """
    return _readable(response_times, estimator().latency) or estimator().latency(), (
        _readable(clients, estimator().clients) or _clients_unknown()
    )


def read_top_values(summary: bytes) -> TopValuesSummary:
    """As `read`: a new one has a lower total than its row."""
    return _readable(summary, TopValuesSummary.from_bytes) or TopValuesSummary()


def _readable(stored: bytes, decode: Callable[[bytes], Summary]) -> Summary | None:
    try:
        return decode(stored) if stored else None
    except ValueError as error:
        logger.error("Summary can't be read, a new one begins: %s", error)
        return None


def _clients_unknown() -> ClientSummary:
    summary = estimator().clients()
    summary.miss_some()
    return summary
