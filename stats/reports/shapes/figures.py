"""Figures of some requests, and which time they are of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from stats.estimators import Distinct

DataSource = Literal["queue", "legacy"]
# Why that one answered: it was chosen for the reader, or the chosen one failed, had nothing of that time, or
# does not know what was asked for.
DataSourceReason = Literal["chosen", "other_failed", "other_empty", "other_unable"]


@dataclass(frozen=True)
class Quantile:
    """A response time in ms, with bounds at about 95 %; all three are equal where it is exact."""

    value: float
    lower: float
    upper: float
    is_exact: bool


@dataclass(frozen=True)
class StatusClasses:
    """Requests by the first digit of their status. Exact."""

    informational: int  # 1xx
    success: int  # 2xx
    redirection: int  # 3xx
    client_error: int  # 4xx
    server_error: int  # 5xx


@dataclass(frozen=True)
class Figures:
    """What is known of some requests. Counts, mean, minimum and maximum are exact.

    The quantiles are None if there are no requests, or nothing but their counts is known. All but requests,
    errors and their rate is of the requests that were not imported, and None if all were.
    """

    requests: int
    errors: int  # status 400 or more
    error_rate: float  # errors / requests, 0 to 1; 0 without requests
    statuses: StatusClasses | None = None  # None: not known (legacy collector, or all imported)
    response_bytes: int | None = None  # sum; None: not known
    mean: float | None = None  # ms, as the next six
    minimum: float | None = None
    maximum: float | None = None
    p50: Quantile | None = None
    p90: Quantile | None = None
    p95: Quantile | None = None
    p99: Quantile | None = None
    clients: Distinct | None = None  # estimate, lower, upper, is_exact, is_lower_bound
    summarised: int = (
        0  # requests that the quantiles know; fewer than `requests` for imports and rows of old versions
    )
    imported: int = 0  # requests whose counts were imported: nothing but requests and errors is known of them


@dataclass(frozen=True)
class Bin:
    """Requests that took from `low` to `high` ms, as a share of all; an estimate where the quantiles are."""

    low: float
    high: float
    share: float


@dataclass(frozen=True)
class Coverage:
    """Which time the figures are really about.

    Rollups know whole hours of UTC, so the range is widened to them (to minutes, where the events
    themselves are asked).
    """

    start: datetime
    end: datetime
    zone: str
    reaches_back_to: datetime | None  # what was before is not kept in this detail; None: all of it is
    incomplete_days: tuple[date, ...]  # UTC days that the range cuts, of which only the sum is left: left out
