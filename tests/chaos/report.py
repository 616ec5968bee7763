"""A run as a table for people and as an object for programs."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tests.chaos.plan import Cycle, Result
from tests.load import cycle_of

COLUMNS = ("fault", "cycles", "answered", "counted", "lost", "doubled", "dead", "drain median", "drain max")


def as_object(result: Result) -> dict[str, Any]:
    """The figures that `--json` prints. `lost` includes dead letters of answered requests."""
    verdict = result.verdict
    drains = _drains(result.cycles)
    return {
        "system": result.plan.kind.name,
        "seed": result.plan.seed,
        "cycles": len(result.cycles),
        "faults": dict(sorted(Counter(cycle.fault for cycle in result.cycles if not cycle.missed).items())),
        "missed": sum(bool(cycle.missed) for cycle in result.cycles),
        "answered": len(result.answered),
        "unanswered": sum(len(cycle.unanswered) for cycle in result.cycles),
        "counted": None if verdict is None else len(verdict.counted),
        "counted_unanswered": None if verdict is None else verdict.counted_unanswered,
        "lost": None if verdict is None else len(verdict.lost),
        "doubled": None if verdict is None else max(len(verdict.doubled), verdict.surplus),
        "waiting": None if verdict is None else len(verdict.waiting),
        "dead_letters": None if verdict is None else verdict.dead_letters,
        "rollup_mismatch": None if verdict is None else verdict.mismatch,
        "restarted_by_hand": sum(cycle.by_hand for cycle in result.cycles),
        "drained": all(cycle.drain.is_done for cycle in result.cycles),
        "drain_seconds_max": round(max(drains, default=0.0), 1),
        "drain_seconds_median": round(statistics.median(drains or [0.0]), 1),
        "seconds": round(result.seconds, 1),
        "leftovers": result.leftovers,
        "broken": result.broken,
        "green": result.is_green,
    }


def as_table(result: Result) -> str:
    """One row a kind of fault, then the whole."""
    rows = [COLUMNS, *(_row(result, name) for name in sorted({cycle.fault for cycle in result.cycles}))]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(_padded(row, widths)).rstrip() for row in rows]
    figures = as_object(result)
    lines.append("")
    lines += [f"{name}: {value}" for name, value in figures.items() if name not in ("faults", "leftovers")]
    lines += [f"left behind: {entry}" for entry in result.leftovers]
    lines += _names(result)
    return "\n".join(lines)


def _row(result: Result, fault: str) -> tuple[str, ...]:
    cycles = {cycle.number: cycle for cycle in result.cycles if cycle.fault == fault}
    drains = _drains(cycles.values())
    figures: tuple[str, ...] = ("?",) * 4
    if result.verdict is not None:
        part = result.verdict.of(lambda request_id: _belongs(request_id, cycles))
        figures = tuple(
            str(figure)
            for figure in (len(part.counted), len(part.lost), len(part.doubled), part.dead_letters)
        )
    answered = len(_answered(list(cycles.values())))
    times = (f"{statistics.median(drains):.1f} s", f"{max(drains):.1f} s") if drains else ("-", "-")
    return (fault, str(len(cycles)), str(answered), *figures, *times)


def _drains(cycles: Iterable[Cycle]) -> list[float]:
    """Seconds from the end of each fault to the end of its drain; what did not strike had no end."""
    return [cycle.drain.seconds for cycle in cycles if not cycle.missed]


def _belongs(request_id: str, cycles: dict[int, Cycle]) -> bool:
    return request_id.startswith("c") and cycle_of(request_id) in cycles


def _padded(row: Sequence[str], widths: Sequence[int]) -> list[str]:
    first, *rest = (cell for cell in row)
    return [
        first.ljust(widths[0]),
        *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)),
    ]


def _answered(cycles: Sequence[Cycle]) -> set[str]:
    return set().union(*(cycle.answered for cycle in cycles))


def _names(result: Result) -> list[str]:
    """Some of the requests that something went wrong with, to be looked for in the log."""
    verdict = result.verdict
    if verdict is None:
        return []
    found = {
        "lost": verdict.lost,
        "doubled": verdict.doubled,
        "waiting": verdict.waiting,
        "dead": verdict.dead,
    }
    return [f"{what}: {', '.join(sorted(ids)[:20])}" for what, ids in found.items() if ids]
