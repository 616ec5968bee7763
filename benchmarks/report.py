"""What a benchmark found: its figures, each ratio against its target, and where it was measured.

    report = Report("capture", "Requests a second against the bare app", settings={"seconds": 10})
    report.add("requests a second, sync", 0.93, at_least=0.90)
    return report.finish(options)            # prints a table or JSON; the exit code: 0 if all targets hold

`Bars` and `Lines` say what its plot shows; `benchmarks.plot` draws it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

PLOTS = Path("docs/performance")
OUTSIDE = 0.05  # how often an interval may miss
LIBRARIES = ("Django", "django-q2", "psycopg", "gunicorn", "msgspec", "datasketches", "numpy")


@dataclass(frozen=True, slots=True)
class Target:
    """One ratio or figure, and the bound that it should keep."""

    name: str
    value: float
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    interval: tuple[float, float] | None = None  # in which the true value is, of 20 times 19

    @property
    def holds(self) -> bool:
        return self._is_kept_by(self.value)

    @property
    def is_certain(self) -> bool:
        """Whether all of the interval is on the same side of the bound."""
        return self.interval is None or {self._is_kept_by(end) for end in self.interval} == {self.holds}

    def _is_kept_by(self, value: float) -> bool:
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

    @property
    def bound(self) -> str:
        """The bound as a person writes it."""
        parts = []
        if self.at_least is not None:
            parts.append(f">= {self.at_least:,g}")
        if self.at_most is not None:
            parts.append(f"<= {self.at_most:,g}")
        return " and ".join(parts)


@dataclass(frozen=True, slots=True)
class Bars:
    """A bar for each value, in the order given, and a line where the target is."""

    title: str
    unit: str
    values: Mapping[str, float]
    target: float | None = None
    logarithmic: bool = False


@dataclass(frozen=True, slots=True)
class Lines:
    """A line for each name: points of (x, y)."""

    title: str
    x_label: str
    y_label: str
    series: Mapping[str, Sequence[tuple[float, float]]]


@dataclass
class Report:
    """What one benchmark found."""

    name: str
    title: str
    settings: dict[str, Any]
    figures: dict[str, Any] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    plot: Bars | Lines | None = None

    def add(
        self,
        name: str,
        value: float,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        unit: str = "",
        interval: tuple[float, float] | None = None,
    ) -> None:
        """One more target."""
        interval = interval and (round(interval[0], 4), round(interval[1], 4))
        self.targets.append(Target(name, round(value, 4), at_least, at_most, unit, interval))

    @property
    def holds(self) -> bool:
        return all(target.holds for target in self.targets)

    def as_dict(self) -> dict[str, Any]:
        return {
            "benchmark": self.name,
            "holds": self.holds,
            "targets": [
                asdict(target) | {"holds": target.holds, "is_certain": target.is_certain}
                for target in self.targets
            ],
            "figures": self.figures,
            "settings": self.settings,
            "machine": machine(),
        }

    def finish(self, options: argparse.Namespace) -> int:
        """Prints it, draws its plot if `--plot` asks so; 0 if every target holds, otherwise 1."""
        if options.plot and self.plot is not None:
            from benchmarks import plot  # its library is one of the benchmarks' own

            plot.draw(self.plot, Path(options.plot) / f"{self.name}.svg")
        print(json.dumps(self.as_dict()) if options.json else self._text())
        return 0 if self.holds else 1

    def _text(self) -> str:
        lines = [self.title, ""]
        lines += [f"{name}: {_cell(value)}" for name, value in self.figures.items()]
        lines += ["", *table(self.targets)]
        return "\n".join(lines)


def table(targets: Sequence[Target]) -> list[str]:
    """Targets as a table in Markdown."""
    lines = ["| what | measured | target | |", "|---|---|---|---|"]
    for target in targets:
        unit = f" {target.unit}" if target.unit else ""
        holds = "holds" if target.holds else "**does not hold**"
        if not target.is_certain:
            holds += ", not for certain"
        value = f"{target.value:,g}{unit}"
        if target.interval:
            value += f" ({target.interval[0]:,g} to {target.interval[1]:,g})"
        lines.append(f"| {target.name} | {value} | {target.bound}{unit} | {holds} |")
    return lines


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Between which two of these the median of what they are drawn from lies, of 20 times 19.

    By their order alone (the sign test turned round), so it asks nothing of how they are distributed; of
    fewer than six they are the least and the greatest.
    """
    ordered = sorted(values)
    outside, below = 0, 0.0
    while (below := below + math.comb(len(ordered), outside) / 2 ** len(ordered)) <= OUTSIDE / 2:
        outside += 1
    least = max(0, outside - 1)
    return ordered[least], ordered[-1 - least]


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,g}"
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """A parser with the options that every benchmark has."""
    made = argparse.ArgumentParser(prog=f"script/bench {name}", description=description)
    made.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    made.add_argument("--json", action="store_true", help="one JSON object")
    made.add_argument("--plot", metavar="FOLDER", help=f"draws NAME.svg there; {PLOTS} is the documents' own")
    return made


@cache
def machine() -> dict[str, Any]:
    """Where it was measured: processor, memory, versions."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def progress(message: str) -> None:
    """A line on standard error: what is being measured, so that nobody thinks it hangs."""
    print(message, file=sys.stderr, flush=True)
