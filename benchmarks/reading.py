"""How long the reports take, and whether they take longer when there is more: 10 million events in 30 days.

Fills a database of its own with synthetic traffic up to now, and asks each report again and again. Events
go through `stats.store.store`, the consumer's own insert and roll-up, without the queue in front of it; days
that are over are then merged by `stats.daily`, as the schedule does, and all is vacuumed, as autovacuum
does in thirty days. So all rows are those that the running system writes. `script/bench reading`.

The admin's lists are asked for, too, with the whole of Django around them.

The medians are of reports that are asked again; "first time" is a process that has kept no merges yet, with
the largest number of events.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.reading_traffic import fill
from gateway import embedded_postgres

WANTED_MS = 100.0  # a report's median, with the largest number of events
WANTED_PAGE_MS = 300.0  # one of the admin's lists, with the largest number of events
WANTED_RATIO = 1.5  # of the medians with the largest and the smallest number
LEAST_MS = 5.0  # below this a ratio says nothing
SERVER_SECONDS = 60.0  # for PostgreSQL to stop after its last user
FIRST = 3  # times each report is asked by a process that has kept nothing
PROMISED = ("overview 30d", "overview 24h", "routes 30d", "routes 24h", "hours 24h", "hours 30d", "days 30d")


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="script/bench reading", description=__doc__)
    parser.add_argument("--events", type=int, nargs="+", default=[100_000, 10_000_000], help="each in turn")
    parser.add_argument("--days", type=int, default=30, help="days the events are spread over")
    parser.add_argument("--routes", type=int, default=300, help="distinct routes")
    parser.add_argument("--repeat", type=int, default=15, help="times that each report is asked")
    parser.add_argument("--keep", type=Path, help="folder of the databases: filled once, then asked again")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.one:
        return _measure_one(options)
    results = {str(count): _in_its_own_process(count, options) for count in options.events}
    sys.stdout.write(json.dumps(results) + "\n" if options.json else _table(results))
    return 0 if _is_fast(results) else 1


def _in_its_own_process(count: int, options: argparse.Namespace) -> dict[str, Any]:
    """Django's settings hold one database a process."""
    with tempfile.TemporaryDirectory() as folder:
        var_dir = (options.keep or Path(folder)) / f"reading-{count}-{options.days}"
        var_dir.mkdir(parents=True, exist_ok=True)
        numbers = [f"--{name}={getattr(options, name)}" for name in ("days", "routes", "repeat")]
        command = [sys.executable, "-m", "benchmarks", "reading", f"--one={var_dir}", f"--events={count}"]
        done = subprocess.run([*command, *numbers], check=True, stdout=subprocess.PIPE)  # noqa: S603
        ends_at = time.monotonic() + SERVER_SECONDS
        while embedded_postgres.keeper_pid(var_dir) is not None and time.monotonic() < ends_at:
            time.sleep(0.1)  # the server still writes below the folder that goes now
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _measure_one(options: argparse.Namespace) -> int:
    os.environ.update(
        VAR_DIR=str(options.one), LOG_LEVEL="WARNING", DJANGO_SETTINGS_MODULE="gateway.settings"
    )
    os.environ.pop("DATABASE_URL", None)
    embedded_postgres.ensure_running(options.one)
    (options.one / "static").mkdir(exist_ok=True)  # or whitenoise complains of each client
    import django

    django.setup()
    loaded = fill(options.events[0], options.days, options.routes)
    result = {"load": loaded, "milliseconds": _timings(options.repeat)}
    sys.stdout.write(json.dumps(result))
    return 0


def _timings(repeat: int) -> dict[str, dict[str, float]]:
    """Medians in ms with warm caches: asked again, and by a process that has kept no merges yet."""
    from benchmarks.reading_pages import pages_to_ask
    from benchmarks.reading_reports import reports_to_ask
    from stats.reports import kept

    found = {}
    for name, ask in {**reports_to_ask(), **pages_to_ask()}.items():
        first = _median(lambda ask=ask: (kept.forget(), ask()), FIRST)  # type: ignore[misc]
        found[name] = {"again": _median(ask, repeat), "first": first}
    return found


def _median(ask: Callable[[], Any], repeat: int) -> float:
    ask()
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        ask()
        seconds.append(time.perf_counter() - started)
    return round(statistics.median(seconds) * 1000, 2)


def _is_fast(results: dict[str, dict[str, Any]]) -> bool:
    small, large = (results[str(count)]["milliseconds"] for count in _least_and_most(results))
    pages = [found["again"] for name, found in large.items() if name.startswith("admin: ")]
    return max(pages) < WANTED_PAGE_MS and all(
        large[name]["again"] < WANTED_MS
        and large[name]["again"] <= WANTED_RATIO * max(small[name]["again"], LEAST_MS)
        for name in PROMISED
    )


def _least_and_most(results: dict[str, Any]) -> tuple[int, int]:
    counts = sorted(map(int, results))
    return counts[0], counts[-1]


def _table(results: dict[str, dict[str, Any]]) -> str:
    counts = sorted(map(int, results))
    least, most = _least_and_most(results)
    lines = ["| median, ms | " + " | ".join(f"{count:,}" for count in counts) + " | ratio | first time |"]
    lines.append("|---|" + "---|" * (len(counts) + 2))
    for name in results[str(least)]["milliseconds"]:
        medians = {count: results[str(count)]["milliseconds"][name] for count in counts}
        cells = " | ".join(f"{medians[count]['again']:.1f}" for count in counts)
        ratio = medians[most]["again"] / medians[least]["again"]
        lines.append(f"| {name} | {cells} | {ratio:.2f} | {medians[most]['first']:.1f} |")
    lines += [f"{count:,}: {results[str(count)]['load']}" for count in counts]
    return "\n".join(lines) + "\n"
