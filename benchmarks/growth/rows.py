"""The consumer on two databases in turn: one with many rows more, or one whose dead rows can't go. Each has a
process of its own: Django's settings hold one database."""

from __future__ import annotations

import json
import select
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

BEFORE = 3  # rounds before a transaction is left open
END_SECONDS = 30.0
AT_THE_END = 5  # rounds at least, of the last ones that count
ROUTES = 300  # as `reading` fills its databases


@dataclass(frozen=True)
class Found:
    medians: dict[str, int]
    ratio: float
    series: dict[str, list[tuple[float, float]]]


class Consumer:
    """A process that consumes events on one database when it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._is_ready = False

    def is_ready(self) -> bool:
        """Whether its database is filled, without waiting for that."""
        assert self._process.stdout is not None
        if not self._is_ready and select.select([self._process.stdout], [], [], 0)[0]:
            self.await_ready()
        return self._is_ready

    def await_ready(self) -> None:
        if not self._is_ready:
            self._read()
            self._is_ready = True

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
        self.await_ready()
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


@contextmanager
def filling(counts: Sequence[int], days: int, keep: Path | None = None) -> Iterator[list[Consumer]]:
    """A consumer for each count, whose databases are filled meanwhile."""
    with ExitStack() as stack:
        yield [stack.enter_context(_consumer(count, days, keep)) for count in counts]


def compare(counts: Sequence[int], consumers: Sequence[Consumer], events: int, rounds: int) -> Found:
    """Both in turn, after a round that warms up."""
    small, large = consumers
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


def pinned(events: int, seconds: float, filled: Sequence[Consumer]) -> dict[str, Any]:
    """One database whose dead rows can't go beside one without such a snapshot: both grow alike, in turn.

    Meanwhile others may still be filled. It lasts until they are; rounds of that time are not among the last
    ones, which are what counts.
    """
    with filling([0, 0], days=0) as (free, held):
        before = [(free.speed(events), held.speed(events)) for _ in range(BEFORE + 1)][1:]
        held.pin()
        began = time.monotonic()
        during: list[tuple[float, float]] = []
        alone = 0  # rounds with nothing beside them
        while time.monotonic() < began + seconds or alone < AT_THE_END:
            alone += all(consumer.is_ready() for consumer in filled)
            during.append((free.speed(events), held.speed(events)))
            progress(
                f"pinned xmin, {time.monotonic() - began:.0f} s, {alone} rounds alone:"
                f" {during[-1][1]:,.0f} and {during[-1][0]:,.0f} without"
            )
        lasted = time.monotonic() - began
        looks = {"without": free.look(), "pinned": held.look()}
    last = during[-min(alone, max(AT_THE_END, len(during) // 4)) :]
    return {
        "seconds": round(lasted, 1),
        "events meanwhile": events * len(during),
        "rounds": len(during),
        "last rounds": len(last),
        "last rounds, pinned": round(statistics.median(ours for _, ours in last)),
        "last rounds, without": round(statistics.median(theirs for theirs, _ in last)),
        "ratio before": round(_ratio(before), 3),
        "ratio": round(_ratio(last), 3),
        "a look for due batches": looks,
    }


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return statistics.median(large / small for small, large in pairs)


@contextmanager
def _consumer(count: int, days: int, keep: Path | None) -> Iterator[Consumer]:
    with tempfile.TemporaryDirectory(prefix="tg-") as folder:
        kept = keep and keep / f"reading-{count}-{days}"
        var_dir = Path(folder) / "var"
        if kept and kept.exists():
            # By `cp`, which keeps owners: the server does not run as root.
            subprocess.run(["cp", "-a", str(kept), str(var_dir)], check=True)  # noqa: S603, S607
        var_dir.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "benchmarks", "growth", f"--one={var_dir}"]
        process = subprocess.Popen(  # noqa: S603
            [*command, "--rows", str(count), str(count), "--days", str(days)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield Consumer(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()  # it ends, and its PostgreSQL with it
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:  # it still fills, and nobody wants that any more
                process.terminate()
                process.wait(END_SECONDS)


def answer(var_dir: Path, count: int, days: int) -> int:
    """The process: fills its database if need be, then consumes as many events as each line says."""
    with database.opened(var_dir):
        from benchmarks.growth.inside import consume, look, snapshot
        from benchmarks.traffic import Hours

        fill(count, days, ROUTES)
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
