"""How long the reports take, and whether they take longer when there is more: 10 million events in 30 days.

Fills a database of its own with synthetic traffic up to now, and asks each report again and again. Events
go through `stats.store.store`, the consumer's own insert and roll-up, without the queue in front of it; days
that are over are then merged by `stats.daily`, as the schedule does, and all is vacuumed, as autovacuum
does in thirty days. So all rows are those that the running system writes. `script/bench reading`.

The admin's lists are asked for, too, with the whole of Django around them.

The smaller and the larger database are asked in turn, report by report, and the ratio is the median of the
pairs: the speed of a shared machine changes by more than what is compared. The medians are of reports that
are asked again; "first time" is a process that has kept no merges yet, with the larger number of events.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.reading_traffic import fill
from gateway import embedded_postgres

WANTED_MS = 100.0  # a report's median, with the largest number of events
WANTED_PAGE_MS = 300.0  # one of the admin's lists, with the largest number of events
WANTED_TRAFFIC_MS = 500.0  # a page of traffic, which is made of a dozen reports
TRAFFIC = ("admin: first page", "admin: one route")
WANTED_RATIO = 1.5  # of the medians with the largest and the smallest number
LEAST_MS = 5.0  # below this a ratio says nothing
SERVER_SECONDS = 60.0  # for PostgreSQL to stop after its last user
FIRST = 3  # times each report is asked by a process that has kept nothing
PROMISED = ("overview 30d", "overview 24h", "routes 30d", "routes 24h", "hours 24h", "hours 30d", "days 30d")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="script/bench reading", description=__doc__)
    parser.add_argument(
        "--events", type=int, nargs=2, default=[100_000, 10_000_000], help="of both databases"
    )
    parser.add_argument("--days", type=int, default=30, help="days the events are spread over")
    parser.add_argument("--routes", type=int, default=300, help="distinct routes")
    parser.add_argument("--repeat", type=int, default=15, help="times that each report is asked")
    parser.add_argument("--keep", type=Path, help="folder of the databases: filled once, then asked again")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        return _answer(options)
    with ExitStack() as stack:
        small, large = (stack.enter_context(_reader(count, options)) for count in sorted(options.events))
        result = {
            "loads": {reader.count: reader.load for reader in (small, large)},
            "milliseconds": {name: _compare(name, small, large, options.repeat) for name in small.names},
        }
    sys.stdout.write(json.dumps(result) + "\n" if options.json else _table(result))
    return 0 if _is_fast(result) else 1


class Reader:
    """A process that asks one database: Django's settings hold one a process."""

    def __init__(self, count: int, process: subprocess.Popen[str]) -> None:
        self.count = count
        self._process = process
        hello = self._read()
        self.load, self.names = hello["load"], hello["names"]

    def ask(self, name: str, *, anew: bool = False) -> float:
        """Milliseconds that a report took; `anew`: of a process that has kept no merges."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, anew]) + "\n")
        self._process.stdin.flush()
        return float(self._read())

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"the process that asks {self.count:,} events ended: {self._process.wait()}")
        return json.loads(line)


@contextmanager
def _reader(count: int, options: argparse.Namespace) -> Iterator[Reader]:
    with tempfile.TemporaryDirectory() as folder:
        var_dir = (options.keep or Path(folder)) / f"reading-{count}-{options.days}"
        var_dir.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks", "reading", f"--one={var_dir}"]
        command += ["--days", str(options.days), "--routes", str(options.routes)]
        with subprocess.Popen(  # noqa: S603
            [*command, "--events", str(count), str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield Reader(count, process)
        ends_at = time.monotonic() + SERVER_SECONDS
        while embedded_postgres.keeper_pid(var_dir) is not None and time.monotonic() < ends_at:
            time.sleep(0.1)  # the server still writes below the folder that goes now


def _answer(options: argparse.Namespace) -> int:
    """The process: fills its database if need be, then answers line by line."""
    os.environ.update(
        VAR_DIR=str(options.one), LOG_LEVEL="WARNING", DJANGO_SETTINGS_MODULE="gateway.settings"
    )
    os.environ.pop("DATABASE_URL", None)
    embedded_postgres.ensure_running(options.one)
    (options.one / "static").mkdir(exist_ok=True)  # or whitenoise complains of each client
    import django

    django.setup()
    load = fill(options.events[0], options.days, options.routes)
    from benchmarks.reading_pages import pages_to_ask
    from benchmarks.reading_reports import reports_to_ask
    from stats.reports import kept

    questions = {**reports_to_ask(), **pages_to_ask()}
    print(json.dumps({"load": load, "names": list(questions)}), flush=True)
    for line in sys.stdin:
        name, anew = json.loads(line)
        if anew:
            kept.forget()
        started = time.perf_counter()
        questions[name]()
        print(json.dumps((time.perf_counter() - started) * 1000), flush=True)
    return 0


def _compare(name: str, small: Reader, large: Reader, repeat: int) -> dict[str, float]:
    """Medians in ms with warm caches, and the median ratio of the pairs."""
    first = [large.ask(name, anew=True) for _ in range(FIRST)]
    small.ask(name)
    pairs = [(small.ask(name), large.ask(name)) for _ in range(repeat)]
    return {
        "small": round(_median([ours for ours, _ in pairs]), 2),
        "large": round(_median([theirs for _, theirs in pairs]), 2),
        "ratio": round(_median([theirs / ours for ours, theirs in pairs]), 2),
        "first": round(_median(first), 2),
    }


def _median(values: Sequence[float]) -> float:
    return statistics.median(values)


def _is_fast(result: dict[str, Any]) -> bool:
    found = result["milliseconds"]
    pages = {name: each["large"] for name, each in found.items() if name.startswith("admin: ")}
    are_fast = all(
        took < (WANTED_TRAFFIC_MS if name.startswith(TRAFFIC) else WANTED_PAGE_MS)
        for name, took in pages.items()
    )
    return are_fast and all(
        found[name]["large"] < WANTED_MS
        and (found[name]["ratio"] <= WANTED_RATIO or found[name]["large"] < LEAST_MS)
        for name in PROMISED
    )


def _table(result: dict[str, Any]) -> str:
    small, large = (f"{int(count):,}" for count in result["loads"])
    lines = [f"| median, ms | {small} | {large} | ratio | first time |", "|---|---|---|---|---|"]
    for name, found in result["milliseconds"].items():
        lines.append(
            f"| {name} | {found['small']:.1f} | {found['large']:.1f} | {found['ratio']:.2f}"
            f" | {found['first']:.1f} |"
        )
    lines += [f"{int(count):,}: {load}" for count, load in result["loads"].items()]
    return "\n".join(lines) + "\n"
