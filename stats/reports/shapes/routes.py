"""Routes: lists of them, and one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from stats.reports.shapes.figures import Bin, Coverage, DataSource, DataSourceReason, Figures
from stats.reports.shapes.totals import TimeSeries

RouteKind = Literal["route", "other", "not_found"]


@dataclass(frozen=True)
class RouteRow:
    """One route of a list. `matching` are its requests of the status class that was asked for, or all."""

    route: str
    kind: RouteKind  # `other`: past the cap of routes an hour; `not_found`: no URL pattern matched
    matching: int
    figures: Figures


@dataclass(frozen=True)
class Routes:
    """A page of routes in the order that was asked for."""

    coverage: Coverage
    data_source: DataSource
    sort: str
    is_order_estimated: bool  # p95 and clients are estimates, and so is the order by them
    total: int  # routes that the filters leave
    offset: int
    next_offset: int | None  # None: this is the last page
    rows: tuple[RouteRow, ...]
    data_source_reason: DataSourceReason = "chosen"

    @property
    def is_empty(self) -> bool:
        return not self.total


@dataclass(frozen=True)
class MixEntry:
    """One method or status of a route. Exact among the requests that were looked at."""

    value: str
    requests: int


@dataclass(frozen=True)
class RouteReport:
    """One route. The mixes are of its newest `mix_of` events in the range, as far as events are kept."""

    route: str
    kind: RouteKind
    coverage: Coverage
    data_source: DataSource
    current: Figures
    previous: Figures
    series: TimeSeries
    methods: tuple[MixEntry, ...]
    statuses: tuple[MixEntry, ...]
    mix_of: int
    mix_reaches_back_to: datetime | None  # time of the oldest of those events; None without any
    data_source_reason: DataSourceReason = "chosen"
    distribution: tuple[Bin, ...] = ()  # of the response times; none where they are not known

    @property
    def is_empty(self) -> bool:
        return not self.current.requests and not self.previous.requests
