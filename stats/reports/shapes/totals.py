"""All requests of a range: at once, over time, by value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from stats.reports.shapes.figures import Coverage, DataSource, DataSourceReason, Figures, StatusClasses


@dataclass(frozen=True)
class Overview:
    """All requests of a range, and of the range of equal length before it."""

    coverage: Coverage
    data_source: DataSource
    current: Figures
    previous: Figures
    previous_coverage: Coverage
    data_source_reason: DataSourceReason = "chosen"

    @property
    def is_empty(self) -> bool:
        return not self.current.requests and not self.previous.requests


@dataclass(frozen=True)
class Bucket:
    """One step of a time series. Counts, mean and maximum are exact; an empty one has zeros and None."""

    start: datetime
    end: datetime
    requests: int
    errors: int
    error_rate: float  # 0 to 1
    statuses: StatusClasses | None
    response_bytes: int | None
    mean: float | None  # ms, as the next two
    maximum: float | None
    p95: float | None
    clients: int | None  # distinct
    p50: float | None = None  # as the next one: where it was asked for, or all is exact
    p99: float | None = None
    imported: int = 0  # requests of which nothing but `requests` and `errors` is known, as in `Figures`


@dataclass(frozen=True)
class TimeSeries:
    """Buckets in order, without gaps."""

    coverage: Coverage
    data_source: DataSource
    step: str  # minute, hour or day
    buckets: tuple[Bucket, ...]
    estimated: tuple[str, ...]  # fields of the buckets that are estimates: p95, clients, both or none
    data_source_reason: DataSourceReason = "chosen"

    @property
    def is_empty(self) -> bool:
        return not any(bucket.requests for bucket in self.buckets)


@dataclass(frozen=True)
class TopValue:
    """A value and its requests: those that are certain, and bounds, which are equal where it is exact."""

    value: str  # "" is what the requests did not say
    requests: int  # so that all rows and `other` together are the total
    lower: int
    upper: int
    is_exact: bool
    share: float  # of all requests, 0 to 1


@dataclass(frozen=True)
class TopValues:
    """The most frequent values of one kind. `other` is what they leave, named `(other)`; None if nothing."""

    coverage: Coverage
    data_source: DataSource
    kind: str  # client, user_agent, country, method or status
    is_order_estimated: bool  # more values came than are kept: one that is not shown may be as frequent
    total: int  # requests, exact
    rows: tuple[TopValue, ...]
    other: TopValue | None
