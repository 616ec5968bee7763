"""Routes: the list of them, and one of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from gateway import csv_table
from stats import reports
from stats.api.bounds import within_deadline
from stats.api.next_page import link_to_next
from stats.api.parameters import DEFAULT_LIMIT, Absent, Format, Limit, Method, Period, Route, StatusClass
from stats.api.reader import reader_of
from stats.reports.filters import MAX_LIMIT, MAX_OFFSET
from stats.reports.shapes import Quantile, RouteReport, RouteRow, Routes

router = Router(tags=["Routes"])
router.add_decorator(within_deadline)

HEADER = (
    *("route", "kind", "matching", "requests", "errors", "error_rate", "response_bytes"),
    *("mean_ms", "minimum_ms", "maximum_ms"),
    *("p50_ms", "p90_ms", "p95_ms", "p99_ms", "quantiles_exact"),
    *("clients", "clients_lower", "clients_upper", "clients_exact", "imported", "data_source"),
)


class RoutesParameters(Period):
    sort: Literal["requests", "errors", "error_rate", "p95", "clients"] = "requests"
    search: str = Field("", max_length=200, description="A part of the route, in any case.")
    status_class: StatusClass | Absent = Field(None, description="Only routes that had such requests.")
    method: Method | Absent = Field(None, description="Only these requests, as far back as events are kept.")
    limit: Limit | Absent = Field(None, description=f"Default {DEFAULT_LIMIT}; of a CSV table {MAX_LIMIT}.")
    offset: int = Field(0, ge=0, le=MAX_OFFSET)
    format: Format = "json"


class RouteParameters(Period):
    route: Route
    step: Literal["minute", "hour", "day"] | Absent = Field(
        None, description="Of the series; default hours for up to three days, else days."
    )


@router.get("/routes", response=Routes, operation_id="routes", summary="Routes, the highest first")
def routes(request: HttpRequest, response: HttpResponse, parameters: Query[RoutesParameters]) -> Any:
    """A page of routes. The answer's `Link` header leads to the next one."""
    is_table = parameters.format == "csv"
    page = reports.routes(
        parameters.range(),
        sort=parameters.sort,
        search=parameters.search,
        status_class=parameters.status_class,
        method=parameters.method,
        limit=parameters.limit or (MAX_LIMIT if is_table else DEFAULT_LIMIT),
        offset=parameters.offset,
        reader=reader_of(request),
    )
    lines = ((*_row(row), page.data_source) for row in page.rows)
    answer = csv_table.table("routes", HEADER, lines) if is_table else response
    link_to_next(request, answer, "offset", page.next_offset)
    return answer if is_table else page


@router.get("/route", response=RouteReport, operation_id="route", summary="One route")
def route(request: HttpRequest, parameters: Query[RouteParameters]) -> Any:
    """Figures, series and mix of one route; zeros for one that had no requests in the range."""
    return reports.route(
        parameters.route, parameters.range(), step=parameters.step, reader=reader_of(request)
    )


def _row(row: RouteRow) -> tuple[Any, ...]:
    found = row.figures
    quantiles = (found.p50, found.p90, found.p95, found.p99)
    clients = found.clients
    return (
        *(row.route, row.kind, row.matching, found.requests, found.errors, found.error_rate),
        *(found.response_bytes, found.mean, found.minimum, found.maximum),
        *(one.value if one else None for one in quantiles),
        _are_exact(quantiles),
        *((clients.estimate, clients.lower, clients.upper, clients.is_exact) if clients else (None,) * 4),
        found.imported,
    )


def _are_exact(quantiles: Iterable[Quantile | None]) -> bool | None:
    known = [one.is_exact for one in quantiles if one]
    return all(known) if known else None
