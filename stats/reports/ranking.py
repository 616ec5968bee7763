"""Routes in order, by what their rollup rows say without their summaries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connections
from django.db.backends.utils import CursorWrapper

from gateway.conf import conf
from stats.reports import rows
from stats.reports.rows import Relation
from stats.reports.spans import Spans

# What a merged summary can't exceed: the largest row's p95, the sum of the rows' clients. Of a route that was
# only imported neither is known, and it comes last.
BOUNDS = {"p95": "coalesce(max(p95), 0)", "clients": "coalesce(sum(distinct_clients), 0)"}
CHUNK = 50  # candidates that are looked at together


@dataclass(frozen=True)
class Ranked:
    """A route and its requests that match. `bound` is what its p95 (ms) or clients can't exceed."""

    route: str
    matching: int
    bound: float = 0.0


@dataclass(frozen=True)
class Choice:
    """Which routes, of which time."""

    spans: Spans
    search: str  # a part of the route
    status_class: int | None

    @property
    def relation(self) -> Relation:
        if not self.search:
            return rows.of_routes(self.spans)
        return rows.of_routes(self.spans, "route ILIKE %s", (like(self.search),))

    @property
    def matching(self) -> str:
        """The expression of the requests that match."""
        return "sum(requests)" if self.status_class is None else f"sum(status_{self.status_class}xx)"


def like(search: str) -> str:
    """A pattern of texts that contain `search`."""
    for special in "\\%_":
        search = search.replace(special, "\\" + special)
    return f"%{search}%"


def page(
    cursor: CursorWrapper, choice: Choice, sort: str, limit: int, offset: int
) -> tuple[list[Ranked], int]:
    """Routes by exact counts (requests, errors or error_rate), and how many there are in all."""
    order = {
        "requests": "matching DESC",
        "errors": "sum(errors) DESC",
        "error_rate": "sum(errors) / sum(requests) DESC, sum(requests) DESC",
    }[sort]
    sql, parameters = _grouped(choice, "count(*) OVER ()")
    cursor.execute(f"{sql} ORDER BY {order}, route LIMIT %s OFFSET %s", [*parameters, limit, offset])
    found = cursor.fetchall()
    total_found = int(found[0][2]) if found else total(cursor, choice)
    return [Ranked(route, matching) for route, matching, _ in found], total_found


def by_bound(choice: Choice, sort: str) -> Iterator[list[Ranked]]:
    """All routes in chunks, those with the highest bound first; sorted once, fetched as far as needed."""
    sql, parameters = _grouped(choice, BOUNDS[sort])
    with connections[conf.database].chunked_cursor() as cursor:
        cursor.execute(f"{sql} ORDER BY bound DESC, route", parameters)
        while chunk := cursor.fetchmany(CHUNK):
            yield [Ranked(*row) for row in chunk]


def total(cursor: CursorWrapper, choice: Choice) -> int:
    """How many routes there are to be sorted."""
    sql, parameters = _grouped(choice, "0")
    cursor.execute(f"SELECT count(*) FROM ({sql}) AS grouped", parameters)  # noqa: S608
    return int(cursor.fetchone()[0])


def _grouped(choice: Choice, bound: str) -> tuple[str, Sequence[Any]]:
    """Only what the order needs is added up: there may be many more routes than a page shows."""
    relation = choice.relation
    # Built of constants only, the reader's words are parameters.
    sql = (
        f"SELECT route, {choice.matching}::bigint AS matching, {bound}::float8 AS bound"  # noqa: S608
        f" FROM {relation.sql} GROUP BY route HAVING {choice.matching} > 0"
    )
    return sql, relation.parameters
