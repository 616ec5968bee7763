"""Rollup rows as SQL: the tables of one kind of row as one relation, limited to a report's spans."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db.backends.utils import CursorWrapper

from stats.reports.figures import Counts
from stats.reports.spans import Spans

COUNTS = ", ".join(
    [
        *("sum(requests)::bigint", "sum(errors)::bigint"),
        *(f"sum(status_{number}xx)::bigint" for number in range(1, 6)),
        *("sum(response_bytes)::bigint", "sum(response_time_sum)"),
        *("min(response_time_min)", "max(response_time_max)"),
        "sum(imported)::bigint",
    ]
)

# What rollups know of requests, and imports do not.
_UNKNOWN = {
    **{f"status_{number}xx": "bigint" for number in range(1, 6)},
    "response_bytes": "bigint",
    "response_time_sum": "float8",
    "response_time_min": "float8",
    "response_time_max": "float8",
    "p95": "float8",
    "distinct_clients": "float8",
    "response_times": "bytea",
    "clients": "bytea",
}
_ROLLUP = f"requests, errors, {', '.join(_UNKNOWN)}, xmin::text::bigint AS written, 0::bigint AS imported"
_IMPORTED = ", ".join(
    [
        *("requests", "errors", *(f"NULL::{kind} AS {name}" for name, kind in _UNKNOWN.items())),
        *("xmin::text::bigint AS written", "requests AS imported"),
    ]
)
COLUMNS = {"totals": _ROLLUP, "pathstats": f"route, {_ROLLUP}", "topvalues": "requests, summary"}
IMPORTED = {"totals": _IMPORTED, "pathstats": f"route, {_IMPORTED}"}  # nothing is known of top values

# An hour of which the queue path has anything is the queue path's. `superseded_at` says it of hours whose
# rows are dropped (stats.imported_hours).
_COUNTS_STILL = """superseded_at IS NULL
AND NOT EXISTS (SELECT FROM stats_totalshourly AS counted WHERE counted.hour = imported.hour)"""


@dataclass(frozen=True)
class Relation:
    """A FROM clause and its parameters."""

    sql: str
    parameters: tuple[Any, ...]
    scope: tuple[Any, ...]  # what it is, for who remembers what was made of it


def totals(spans: Spans) -> Relation:
    """All requests: a row a day or hour; of imported hours one a route."""
    return _relation("totals", spans)


def of_routes(spans: Spans, condition: str = "", parameters: Sequence[Any] = ()) -> Relation:
    """A row for each route and day or hour; `condition` limits the routes."""
    return _relation("pathstats", spans, condition, parameters)


def of_named_routes(spans: Spans, names: Sequence[str]) -> Relation:
    """The rows of some routes, to be grouped by route: its scope says nothing of which they are."""
    found = of_routes(spans, "route = ANY(%s)", (list(names),))
    return replace(found, scope=("pathstats", spans.days, spans.hours))


def of_kind(spans: Spans, kind: str) -> Relation:
    """Summaries of top values."""
    return _relation("topvalues", spans, "kind = %s", (kind,))


def counts(cursor: CursorWrapper, rows: Relation) -> Counts:
    """The sum of the rows."""
    # COUNTS and the tables are constants of this module: identifiers can't be parameters.
    cursor.execute(f"SELECT {COUNTS} FROM {rows.sql}", rows.parameters)  # noqa: S608
    return Counts.of_row(cursor.fetchone())


def _relation(name: str, spans: Spans, condition: str = "", parameters: Sequence[Any] = ()) -> Relation:
    """The tables under one name, with `at` for the start of the day or hour, `written` for its transaction.

    `imported` are those of the row's requests that are, so all or none; what imports do not know is NULL. The
    planner leaves out the columns that are not asked for, so a sum never reads a summary. A UNION ALL of
    plain ranges, since each part then finds its index.
    """
    columns, also = COLUMNS[name], f" AND {condition}" if condition else ""
    parts: list[str] = []
    values: list[Any] = []
    if spans.days or not spans.hours:
        parts.append(
            f"SELECT day::timestamp AT TIME ZONE 'UTC' AS at, {columns}"  # noqa: S608
            f" FROM stats_{name}daily WHERE day = ANY(%s::date[]){also}"
        )
        values += [list(spans.days), *parameters]
    for first, end in spans.hours:
        parts.append(
            f"SELECT hour AS at, {columns} FROM stats_{name}hourly WHERE hour >= %s AND hour < %s{also}"  # noqa: S608
        )
        values += [first, end, *parameters]
    if spans.imported and name in IMPORTED:
        parts.append(
            f"SELECT hour AS at, {IMPORTED[name]} FROM stats_importedhourly AS imported"  # noqa: S608
            f" WHERE hour >= %s AND hour < %s AND {_COUNTS_STILL}{also}"
        )
        values += [*spans.imported, *parameters]
    scope = (name, spans.days, spans.hours, condition, tuple(parameters))
    return Relation(f"({' UNION ALL '.join(parts)}) AS found", tuple(values), scope)
