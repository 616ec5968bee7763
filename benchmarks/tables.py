"""Results of a benchmark, averaged over its rounds, as tables in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]


def averaged(results: Iterable[tuple[str, Row]]) -> dict[str, list[Row]]:
    """By table: one row a case, which is what the leading cells up to the first measured one say.

    `row` and `merged`, and every float, are measured; the rest names the case.
    """
    cases: dict[str, dict[tuple[Any, ...], list[Row]]] = {}
    for table, row in results:
        key = tuple(value for name, value in row.items() if not _is_measured(name, value))
        cases.setdefault(table, {}).setdefault(key, []).append(row)
    return {table: [_mean(rows) for rows in by_case.values()] for table, by_case in cases.items()}


def text(tables: dict[str, list[Row]]) -> str:
    """All tables, each under its name."""
    return "\n\n".join(f"{name}\n\n{_table(rows)}" for name, rows in tables.items())


def _is_measured(name: str, value: Any) -> bool:
    return isinstance(value, float) or name in ("row", "merged")


def _mean(rows: list[Row]) -> Row:
    mean: Row = {}
    for name, value in rows[0].items():
        if not _is_measured(name, value):
            mean[name] = value
        elif isinstance(value, int):
            mean[name] = max(row[name] for row in rows)
        else:
            mean[name] = round(statistics.fmean(row[name] for row in rows), 2)
    return {**mean, "rounds": len(rows)}


def _table(rows: list[Row]) -> str:
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    lines += ["| " + " | ".join(_cell(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
