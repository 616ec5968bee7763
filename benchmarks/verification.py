"""Whether verification finds what differs, in which time and memory: `script/bench verification`.

Both paths hold the same events of 24 hours: rows and statistics in PostgreSQL, ids and hourly counts in the
collector's SQLite. Then, one after the other, faults are put into the collector, and each has to be found and
named; after each, the collector is as it was.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.database import fresh
from benchmarks.memory import resident
from benchmarks.report import Report, parser, progress
from tests.integration.processes import ROOT

if TYPE_CHECKING:
    from stats.verification import Report as Verification

DAY = datetime(2026, 1, 20, tzinfo=UTC)
HOURS = 24
ROUTES = 100
MOST_SECONDS = 60.0  # for ten million events on either side
MOST_GROWTH = 150  # MB
QUICK = {"events": 1_000_000, "fault_events": 200_000}
POLL_SECONDS = 0.02
CHUNK = 500_000  # ids that are copied at once

# Ids as an edge's traffic makes them: milliseconds in order, the rest a hash.
_EVENTS = """
INSERT INTO stats_event
SELECT (first + number * 86400000 / %(events)s)::text || '-' ||
           lpad(to_hex(hashint8(number) & 2147483647), 8, '0'),
       first + number * 86400000 / %(events)s, '/api/' || number, '/api/route' || number %% %(routes)s, 'GET',
       CASE WHEN number %% 20 = 0 THEN 404 ELSE 200 END, 5.0, lpad(to_hex(number %% 5000), 16, '0'),
       number::text, 'shop.example.org', 'Mozilla/5.0', 512, ''
FROM (
    SELECT number, %(first)s::bigint AS first FROM generate_series(0::bigint, %(events)s - 1) AS number
) AS numbers
"""
_COUNTED = """
SELECT to_timestamp(timestamp / 3600000 * 3600) AS hour, route, count(*) AS requests,
       count(*) FILTER (WHERE status >= 400) AS errors
FROM stats_event GROUP BY 1, 2
"""
_ROUTES = """
INSERT INTO stats_pathstatshourly (hour, route, requests, errors,
    status_1xx, status_2xx, status_3xx, status_4xx, status_5xx,
    response_time_sum, response_time_min, response_time_max, response_bytes)
SELECT hour, route, requests, errors, 0, requests - errors, 0, errors, 0, 5 * requests, 5, 5, 512 * requests
FROM ({counted}) AS counted
"""
_TOTALS = """
INSERT INTO stats_totalshourly (hour, requests, errors,
    status_1xx, status_2xx, status_3xx, status_4xx, status_5xx,
    response_time_sum, response_time_min, response_time_max, response_bytes)
SELECT hour, sum(requests), sum(errors), 0, sum(status_2xx), 0, sum(status_4xx), 0,
    sum(response_time_sum), 5, 5, sum(response_bytes)
FROM stats_pathstatshourly GROUP BY hour
"""
_COLLECTED = "INSERT INTO legacy_collector_collectedevent VALUES (?, '{}', ?, ?, 200, 1, 0, ?, NULL)"
_HOURLY = "INSERT INTO legacy_collector_collectedhourly (route, hour, requests, errors) VALUES (?, ?, ?, ?)"

# What is done to the collector, and what the verification's text has to say of it.
FAULTS: dict[str, tuple[Sequence[str], str]] = {
    "1 % of the events removed": (
        ["DELETE FROM legacy_collector_collectedevent WHERE substr(idempotent_id, -2) IN ('00', '40', '80')"],
        "Missing in the collector: ",
    ),
    "a route doubled": (
        [
            "INSERT INTO legacy_collector_collectedevent SELECT substr(idempotent_id, 1, 14) || 'f' ||"
            " substr(idempotent_id, 16), payload, route, hour, status, reasons, replay_pending, collected_at,"
            " replayed_at FROM legacy_collector_collectedevent WHERE route = '/api/route7'",
            "UPDATE legacy_collector_collectedhourly SET requests = requests * 2 WHERE route = '/api/route7'",
        ],
        "route /api/route7: ",
    ),
    "an hour missing": (
        [
            "DELETE FROM legacy_collector_collectedevent WHERE hour LIKE '2026-01-20 05:%'",
            "DELETE FROM legacy_collector_collectedhourly WHERE hour LIKE '2026-01-20 05:%'",
        ],
        "hour 2026-01-20 05:00: the collector lacks",
    ),
    "ids altered": (
        [
            "UPDATE legacy_collector_collectedevent SET"
            " idempotent_id = substr(idempotent_id, 1, 14) || 'e' || substr(idempotent_id, 16)"
            " WHERE substr(idempotent_id, -2) IN ('00', '40', '80')"
        ],
        "requests have another id on either side",
    ),
}


def main(arguments: list[str]) -> int:
    made = parser("verification", __doc__)
    made.add_argument("--events", type=int, default=10_000_000, help="on either side")
    made.add_argument("--fault-events", type=int, default=1_000_000, help="likewise, for the faults")
    options = made.parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    report = Report(
        "verification",
        "Queue path and collector compared",
        settings={name: getattr(options, name) for name in QUICK},
    )
    with fresh(STATS_MODE="dual", LEGACY_MAX_EVENTS="100000000"):
        _fill(options.fault_events)
        _faults(report)
        _empty()
        _fill(options.events)
        _measured(report, options.events)
    return report.finish(options)


def _measured(report: Report, events: int) -> None:
    """By the command, in a process of its own, beside one that has nothing to compare."""
    nothing = _command(DAY - timedelta(days=2))
    seconds, memory, found = _command(DAY)
    progress(f"{events:,} events: {seconds:.1f} s")
    bound = MOST_SECONDS * events / 10_000_000
    report.add(f"{events:,} events against {events:,}", seconds, at_most=bound, unit="s")
    report.add("memory it takes more than with nothing", memory - nothing[1], at_most=MOST_GROWTH, unit="MB")
    report.add("the same on both sides: error", 100 * (found["error"] or 0), at_most=0, unit="%")
    if found["verdict"] != "holds" or found["inside"]["rows"] != events:
        raise RuntimeError(f"{found['verdict']}: {found['findings']}")


def _command(day: datetime) -> tuple[float, float, dict[str, Any]]:
    """Seconds and megabytes (the most that was resident) of `verify_counts`, and its report."""
    command = [sys.executable, "-m", "django", "verify_counts", "--json"]
    bounds = ["--since", day.isoformat(), "--until", (day + timedelta(days=1)).isoformat()]
    started = time.perf_counter()
    with (
        tempfile.TemporaryFile() as output,
        subprocess.Popen([*command, *bounds], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output) as process,  # noqa: S603
    ):
        peak = 0.0
        while process.poll() is None:
            # Not what wait4 tells: that begins with what the parent had when it forked.
            with suppress(OSError, StopIteration):
                peak = max(peak, resident("VmHWM", process.pid) / 1e6)
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - started
        output.seek(0)
        return seconds, peak, json.loads(output.read())


def _faults(report: Report) -> None:
    from django.db import connections

    from stats.verification.text import text

    path = Path(connections["legacy"].settings_dict["NAME"])
    kept = path.with_suffix(".kept")
    found = 0
    for name, (statements, named) in FAULTS.items():
        connections["legacy"].close()
        shutil.copyfile(path, kept)
        try:
            with closing(sqlite3.connect(path)) as connection, connection:
                changed = [connection.execute(statement).rowcount for statement in statements]
            started = time.perf_counter()
            verification = _verified()
            is_found = verification.verdict == "does not hold" and named in text(verification)
            found += is_found
            report.figures[name] = {
                "rows": changed[0],
                "found": is_found,
                "error": verification.error,
                "seconds": round(time.perf_counter() - started, 2),
            }
            progress(f"{name}: {report.figures[name]}")
        finally:
            connections["legacy"].close()
            for suffix in ("-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            os.replace(kept, path)
    report.add(f"faults found, of {len(FAULTS)}", found, at_least=len(FAULTS))


def _verified() -> Verification:
    from stats.verification import verify

    return verify(DAY, DAY + timedelta(hours=HOURS))


def _empty() -> None:
    from django.db import connections

    with connections["default"].cursor() as cursor:
        cursor.execute("TRUNCATE stats_event, stats_pathstatshourly, stats_totalshourly")
    with connections["legacy"].cursor() as cursor:
        cursor.execute("DELETE FROM legacy_collector_collectedevent")
        cursor.execute("DELETE FROM legacy_collector_collectedhourly")


def _fill(events: int) -> None:
    """Both sides alike, past the consumer and the collector: what they write is measured elsewhere."""
    from django.db import connections

    from stats.partitions import ensure

    ensure([DAY.date()])
    values = {"events": events, "routes": ROUTES, "first": int(DAY.timestamp()) * 1000}
    with connections["default"].cursor() as cursor:
        cursor.execute(_EVENTS, values)
        cursor.execute(_ROUTES.format(counted=_COUNTED))
        cursor.execute(_TOTALS)
    connections["default"].ensure_connection()
    with connections["default"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE stats_event")
        cursor.execute(_COUNTED)
        counted = cursor.fetchall()
    with closing(sqlite3.connect(connections["legacy"].settings_dict["NAME"])) as collector, collector:
        collector.executemany(_COLLECTED, _rows())
        rows = [(route, _written(hour), requests, errors) for hour, route, requests, errors in counted]
        collector.executemany(_HOURLY, rows)
    progress(f"filled with {events:,} events")


def _rows() -> Iterator[tuple[Any, ...]]:
    from django.db import connections, transaction

    with transaction.atomic(), connections["default"].chunked_cursor() as cursor:
        cursor.execute("SELECT idempotent_id, route, timestamp FROM stats_event ORDER BY idempotent_id")
        while some := cursor.fetchmany(CHUNK):
            for key, route, timestamp in some:
                moment = _written(datetime.fromtimestamp(timestamp // 3_600_000 * 3600, UTC))
                yield key, route, moment, moment


def _written(moment: datetime) -> str:
    """As Django writes it into SQLite."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")
