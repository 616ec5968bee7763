"""The consumer on two databases, one with many rows more, in turn. Each has a process of its own: Django's
settings hold one database."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import database
from benchmarks.reading_traffic import fill
from benchmarks.report import progress

BEFORE = 5  # rounds before a transaction is left open
DAYS, ROUTES = 30, 300  # as `reading` fills its databases


@dataclass(frozen=True)
class Found:
    medians: dict[str, int]
    ratio: float
    series: dict[str, list[tuple[float, float]]]


class Consumer:
    """A process that consumes events on one database when it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._read()

    def speed(self, events: int) -> float:
        """Events a second."""
        return float(self._ask(str(events)))

    def pin(self) -> None:
        """From now on a transaction is open beside it."""
        self._ask("pin")

    def look(self) -> dict[str, float]:
        """What a look for due batches costs."""
        return dict(self._ask("look"))

    def _ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise database.Ended(f"a process that consumes ended with {self._process.wait()}")
        return json.loads(line)


def compare(counts: Sequence[int], events: int, rounds: int, keep: Path | None) -> Found:
    """Both in turn, after a round that warms up."""
    with ExitStack() as stack:
        small, large = (stack.enter_context(_consumer(count, keep)) for count in counts)
        pairs = []
        for number in range(rounds + 1):
            # Who is first changes, so that neither always finds the machine as the other left it.
            if number % 2:
                theirs, ours = large.speed(events), small.speed(events)
            else:
                ours, theirs = small.speed(events), large.speed(events)
            pairs.append((ours, theirs))
            progress(f"rows, round {number}: {ours:,.0f} and {theirs:,.0f} events a second")
    counted = pairs[1:]
    names = [f"{count:,} rows before" for count in counts]
    columns = list(zip(*counted, strict=True))
    return Found(
        {name: round(statistics.median(column)) for name, column in zip(names, columns, strict=True)},
        _ratio(counted),
        {
            name: [((at + 2) * events, speed) for at, speed in enumerate(column)]
            for name, column in zip(names, columns, strict=True)
        },
    )


def pinned(events: int, seconds: float) -> dict[str, Any]:
    """One database whose dead rows can't go beside one without such a snapshot: both grow alike, in turn."""
    with ExitStack() as stack:
        free, held = (stack.enter_context(_consumer(0, None)) for _ in range(2))
        before = [(free.speed(events), held.speed(events)) for _ in range(BEFORE + 1)][1:]
        held.pin()
        ends_at = time.monotonic() + seconds
        during: list[tuple[float, float]] = []
        while time.monotonic() < ends_at or len(during) < BEFORE:
            during.append((free.speed(events), held.speed(events)))
            left = ends_at - time.monotonic()
            progress(f"pinned xmin, {left:.0f} s left: {during[-1][1]:,.0f} and {during[-1][0]:,.0f} without")
        looks = {"without": free.look(), "pinned": held.look()}
    last = during[-max(BEFORE, len(during) // 4) :]
    return {
        "seconds": seconds,
        "events meanwhile": events * len(during),
        "last quarter, pinned": round(statistics.median(ours for _, ours in last)),
        "last quarter, without": round(statistics.median(theirs for theirs, _ in last)),
        "ratio before": round(_ratio(before), 3),
        "ratio": round(_ratio(last), 3),
        "a look for due batches": looks,
    }


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return statistics.median(large / small for small, large in pairs)


@contextmanager
def _consumer(count: int, keep: Path | None) -> Iterator[Consumer]:
    with tempfile.TemporaryDirectory(prefix="tg-") as folder:
        kept = keep and keep / f"reading-{count}-{DAYS}"
        var_dir = Path(folder) / "var"
        if kept and kept.exists():
            # By `cp`, which keeps owners: the server does not run as root.
            subprocess.run(["cp", "-a", str(kept), str(var_dir)], check=True)  # noqa: S603, S607
        var_dir.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "benchmarks", "growth", f"--one={var_dir}"]
        process = subprocess.Popen(  # noqa: S603
            [*command, "--rows", str(count), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Consumer(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()  # it ends, and its PostgreSQL with it
            process.wait(60)


def answer(var_dir: Path, count: int) -> int:
    """The process: fills its database if need be, then consumes as many events as each line says."""
    with database.opened(var_dir):
        from benchmarks.growth.inside import consume, look, snapshot
        from benchmarks.traffic import Hours

        fill(count, DAYS, ROUTES)
        # Its hours are those of the newest rows: what is there already is beside what comes.
        hours = Hours(100)
        print(json.dumps(0), flush=True)
        with ExitStack() as stack:
            for line in sys.stdin:
                answer: Any = None
                if line == "pin\n":
                    stack.enter_context(snapshot())
                else:
                    answer = look() if line == "look\n" else consume(hours, int(line))
                print(json.dumps(answer), flush=True)
    return 0
