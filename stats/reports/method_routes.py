"""The routes of one method, from the events: exact, as far as they are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper

from stats.reports import from_events
from stats.reports.figures import RANKS
from stats.reports.kinds import kind_of
from stats.reports.pages import Page
from stats.reports.period import Range
from stats.reports.ranking import like
from stats.reports.shapes import RouteRow, Routes

ORDERS = {
    "requests": "matching DESC",
    "errors": "errors DESC",
    "error_rate": "errors::float8 / requests DESC, requests DESC",
    "p95": "quantiles[3] DESC",
    "clients": "clients DESC",
}
assert RANKS[2] == 0.95  # which ORDERS names


def read(
    cursor: CursorWrapper, period: Range, page: Page, search: str, status_class: int | None, method: str
) -> Routes:
    """A page of them. `period` is of whole hours; the rest was validated."""
    condition, parameters = from_events.where(period, method=method)
    if search:
        condition, parameters = f"{condition} AND route ILIKE %s", [*parameters, like(search)]
    # Built of constants only, as in `_grouped`. The total stands apart, since there may be no such page.
    sql = (
        f"WITH grouped AS MATERIALIZED ({_grouped(status_class, condition)}),"  # noqa: S608
        f" page AS (SELECT * FROM grouped WHERE matching > 0 ORDER BY {ORDERS[page.sort]}, route"
        " LIMIT %s OFFSET %s)"
        " SELECT counted.total, page.* FROM (SELECT count(*) AS total FROM grouped WHERE matching > 0)"
        f" AS counted LEFT JOIN page ON true ORDER BY {ORDERS[page.sort]}, route"
    )
    cursor.execute(sql, [list(RANKS), *parameters, page.limit, page.offset])
    found = cursor.fetchall()
    total = found[0][0]
    found = [row for row in found if row[1] is not None]
    return page.of((_row(row[1:]) for row in found), total, from_events.coverage(cursor, period))


def _grouped(status_class: int | None, condition: str) -> str:
    matching = "true" if status_class is None else f"status / 100 = {status_class}"
    names = ("requests", "errors", *(f"s{number}" for number in range(1, 6)), "bytes", "total", "low", "high")
    counts = ", ".join(f"{sql} AS {name}" for sql, name in zip(from_events.COUNTS, names, strict=True))
    # Built of constants only, the reader's words are parameters.
    return (
        f"SELECT route, count(*) FILTER (WHERE {matching}) AS matching, {counts},"  # noqa: S608
        f" {from_events.DISTINCT} AS clients, {from_events.QUANTILES} AS quantiles"
        f" FROM stats_event WHERE {condition} GROUP BY route"
    )


def _row(row: Sequence[Any]) -> RouteRow:
    route, matching, *columns = row
    return RouteRow(route, kind_of(route), matching, from_events.figures(columns))
