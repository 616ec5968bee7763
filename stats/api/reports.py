"""Figures of a range: overview, time series, top values, and the snapshot that is there at once."""

from __future__ import annotations

from dataclasses import astuple
from typing import Any, Literal

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from gateway import csv_table
from stats import reports, snapshot
from stats.api.bounds import within_deadline
from stats.api.parameters import Absent, Format, Limit, Method, Period, Route, refuse_others
from stats.api.reader import reader_of
from stats.reports.shapes import Bucket, Overview, TimeSeries, TopValues
from stats.snapshot import Snapshot

router = Router(tags=["Reports"])
router.add_decorator(within_deadline)

COLUMNS = (
    *("start", "end", "requests", "errors", "error_rate", "response_bytes"),
    *("mean_ms", "maximum_ms", "p95_ms", "clients", "estimated", "data_source", "imported"),
    *("p50_ms", "p99_ms"),
)
VALUE_COLUMNS = ("value", "requests", "lower", "upper", "is_exact", "share")  # of `TopValue`
Kind = Literal["client", "user_agent", "country", "method", "status"]


class OverviewParameters(Period):
    method: Method | Absent = Field(None, description="Only these requests, as far back as events are kept.")


class SeriesParameters(Period):
    step: Literal["minute", "hour", "day"] = Field(
        "hour", description="Minutes come from the events, and reach back as far as those are kept."
    )
    route: Route | Absent = Field(None, description="Only this route.")
    method: Method | Absent = Field(None, description="Only these requests, as far back as events are kept.")
    quantiles: bool = Field(False, description="p50 and p99, too.")
    format: Format = "json"


class TopParameters(Period):
    limit: Limit = Field(10, description="Values at most; the remainder is `other`.")
    format: Format = "json"


@router.get("/overview", response=Overview, operation_id="overview", summary="All requests of a range")
def overview(request: HttpRequest, parameters: Query[OverviewParameters]) -> Any:
    """Figures of the range, and of the range of equal length before it."""
    return reports.overview(parameters.range(), method=parameters.method, reader=reader_of(request))


@router.get("/timeseries", response=TimeSeries, operation_id="timeseries", summary="Figures over time")
def timeseries(request: HttpRequest, parameters: Query[SeriesParameters]) -> Any:
    """Steps without gaps, of all requests or of one route. `estimated` names what is an estimate."""
    series = reports.timeseries(
        parameters.range(),
        parameters.step,
        route=parameters.route,
        method=parameters.method,
        has_quantiles=parameters.quantiles,
        reader=reader_of(request),
    )
    return series if parameters.format == "json" else _as_table(series)


@router.get("/top-values/{kind}", response=TopValues, operation_id="top_values", summary="Frequent values")
def top_values(request: HttpRequest, kind: Kind, parameters: Query[TopParameters]) -> Any:
    """The most frequent clients (hashes), user agents, countries, methods or statuses, and the remainder."""
    found = reports.top_values(kind, parameters.range(), limit=parameters.limit)
    if parameters.format == "json":
        return found
    values = [*found.rows, found.other] if found.other else found.rows
    return csv_table.table(f"top-{kind}", VALUE_COLUMNS, (astuple(value) for value in values))


@router.get("/snapshot", response=Snapshot, operation_id="snapshot", summary="The last 24 hours, at once")
def latest(request: HttpRequest) -> Any:
    """Overview and top routes as of `made_at`: kept ready, and so `age_seconds` old."""
    refuse_others(request.GET, ())
    return snapshot.read(reader_of(request))


def _as_table(series: TimeSeries) -> Any:
    return csv_table.table("timeseries", COLUMNS, (_row(step, series) for step in series.buckets))


def _row(step: Bucket, series: TimeSeries) -> tuple[Any, ...]:
    return (
        *(step.start, step.end, step.requests, step.errors, step.error_rate, step.response_bytes),
        *(step.mean, step.maximum, step.p95, step.clients),
        " ".join(series.estimated),
        series.data_source,
        step.imported,
        *(step.p50, step.p99),
    )
