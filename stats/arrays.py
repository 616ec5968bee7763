"""Rows that come to PostgreSQL as one array a column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

TYPES = {
    "route": "text",
    "source": "text",
    "kind": "text",
    "summary": "bytea",
    "hour": "bigint",
    "response_time_sum": "float8",
    "response_time_min": "float8",
    "response_time_max": "float8",
    "response_times": "bytea",
    "clients": "bytea",
    "p95": "float8",
    "distinct_clients": "float8",
}

DIGITS = ("bigint", "float8")


def given(columns: Sequence[str]) -> str:
    """Rows that come as one array a column, for `arrays`; the hour as hours since the epoch."""
    # What is not written in digits comes in PostgreSQL's binary form (%b): summaries as text are hexadecimal.
    types = [TYPES.get(name, "bigint") for name in columns]
    arrays = ", ".join(f"{'%s' if kind in DIGITS else '%b'}::{kind}[]" for kind in types)
    selected = ", ".join("to_timestamp(hour * 3600) AS hour" if name == "hour" else name for name in columns)
    names = ", ".join(columns)
    return f"(SELECT {selected} FROM unnest({arrays}) AS given ({names})) AS given"  # noqa: S608


def arrays(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Any]:
    """The parameters of `given`. Digits are joined here: psycopg takes ten times as long for each number."""
    return [
        f"{{{','.join(map(str, values))}}}" if TYPES.get(name, "bigint") in DIGITS else list(values)
        for name, values in zip(columns, zip(*rows, strict=True), strict=True)
    ]
