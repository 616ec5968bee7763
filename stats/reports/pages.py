"""A page of routes, as it was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stats.reports import filters
from stats.reports.shapes import Coverage, DataSource, RouteRow, Routes


@dataclass(frozen=True)
class Page:
    """Which rows, in which order. Raises InvalidFilter."""

    sort: str
    limit: int
    offset: int

    def __post_init__(self) -> None:
        filters.one_of("sort", self.sort, filters.SORTS)
        filters.limit(self.limit)
        filters.offset(self.offset)

    def of(
        self,
        rows: Iterable[RouteRow],
        total: int,
        coverage: Coverage,
        data_source: DataSource = "queue",
        is_order_estimated: bool = False,
    ) -> Routes:
        """The answer, of `total` rows in all."""
        end = self.offset + self.limit
        return Routes(
            coverage=coverage,
            data_source=data_source,
            sort=self.sort,
            is_order_estimated=is_order_estimated,
            total=total,
            offset=self.offset,
            next_offset=end if end < min(total, filters.MAX_OFFSET + 1) else None,
            rows=tuple(rows),
        )
