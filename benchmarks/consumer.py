"""How fast the one consumer is, against the fastest that PostgreSQL stores the same events at all.

Both write the same synthetic events into the same partitioned table with its indexes, in turn, in one process
and one database. The consumer is the shipped one, with all it does: claims counted and committed, validation,
the insert of unseen events, hourly counts and summaries of routes, totals and frequent values, the end of the
batch, its heartbeat. The limit only stores rows, each once: COPY of prepared text into an unlogged table and
INSERT … SELECT ON CONFLICT DO NOTHING, committed as often. `script/bench consumer`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.reading_traffic import HOUR_MS, events_of_hour
from gateway import embedded_postgres

WANTED = 0.60  # of the limit
QUICK_EVENTS = 20_000
COLUMNS = (
    *("idempotent_id", "timestamp", "path", "route", "method", "status", "response_time"),
    *("client_ip_hash", "request_id", "host", "user_agent", "response_bytes", "country"),
)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="script/bench consumer", description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="of a round, for each of the two")
    parser.add_argument("--rounds", type=int, default=5, help="of both, in turn; medians are reported")
    parser.add_argument("--routes", type=int, default=100, help="distinct routes")
    parser.add_argument("--quick", action="store_true", help=f"3 rounds of {QUICK_EVENTS:,} events")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(arguments)
    if options.quick:
        options.events, options.rounds = QUICK_EVENTS, 3
    with tempfile.TemporaryDirectory(prefix="tg-") as folder:
        _set_up(Path(folder))
        from django.db import connections

        try:
            result = _measure(options.events, options.rounds, options.routes)
        finally:
            connections.close_all()
            embedded_postgres.leave(Path(folder))
    sys.stdout.write(json.dumps(result) + "\n" if options.json else _table(result))
    return 0 if result["ratio"] >= WANTED else 1


def _set_up(var_dir: Path) -> None:
    os.environ.update(VAR_DIR=str(var_dir), LOG_LEVEL="WARNING", DJANGO_SETTINGS_MODULE="gateway.settings")
    os.environ.pop("DATABASE_URL", None)
    embedded_postgres.ensure_running(var_dir)
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def _measure(count: int, rounds: int, routes: int) -> dict[str, Any]:
    """Events a second of both, a pair a round after one that warms up, and the ratios of the pairs."""
    first = int(time.time() * 1000) // HOUR_MS * HOUR_MS - (2 * rounds + 2) * HOUR_MS
    pairs = []
    for number in range(rounds + 1):
        # Other hours each time, so that all of them are new and the summaries are as full as in an hour.
        ours = _consume(events_of_hour(first + 2 * number * HOUR_MS, count, routes, seed=2 * number))
        limit = _store(events_of_hour(first + (2 * number + 1) * HOUR_MS, count, routes, seed=2 * number + 1))
        pairs.append((ours, limit))
        print(f"round {number}: {ours:,.0f} of {limit:,.0f} events a second", file=sys.stderr)
    counted = pairs[1:]
    return {
        "events": count,
        "routes": routes,
        "rounds": rounds,
        "consumer": round(statistics.median(ours for ours, _ in counted)),
        "limit": round(statistics.median(limit for _, limit in counted)),
        "ratio": round(statistics.median(ours / limit for ours, limit in counted), 3),
    }


def _consume(events: list[Any]) -> float:
    from gateway import queue
    from gateway.events import encode
    from stats.consumer import drain

    queue.send([encode(event) for event in events])
    _settle()
    inserted = 0
    started = time.perf_counter()
    while inserted < len(events):
        totals = drain()
        assert not totals.dead
        inserted += totals.inserted
    return len(events) / (time.perf_counter() - started)


def _store(events: list[Any]) -> float:
    from django.db import connection, transaction

    from gateway.conf import conf

    rows = ["\t".join(str(getattr(event, name)) for name in COLUMNS) + "\n" for event in events]
    step = conf.transaction_events
    parts = ["".join(rows[start : start + step]) for start in range(0, len(rows), step)]
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    with connection.cursor() as cursor:
        cursor.execute("CREATE UNLOGGED TABLE IF NOT EXISTS arriving (LIKE stats_event)")
        _settle()
        started = time.perf_counter()
        for part in parts:
            with transaction.atomic():
                cursor.execute("TRUNCATE arriving")
                with cursor.copy(f"COPY arriving ({names}) FROM STDIN") as copy:
                    copy.write(part)
                cursor.execute(
                    f"INSERT INTO stats_event ({names}) SELECT {names} FROM arriving ON CONFLICT DO NOTHING"  # noqa: S608
                )
        return len(events) / (time.perf_counter() - started)


def _settle() -> None:
    """What an earlier round left to be written is written before the next one is timed."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")


def _table(result: dict[str, Any]) -> str:
    return (
        f"{result['rounds']} rounds of {result['events']:,} events, {result['routes']} routes; medians\n"
        f"consumer  {result['consumer']:>9,} events/s\n"
        f"limit     {result['limit']:>9,} events/s\n"
        f"ratio     {result['ratio']:>9.2f} (wanted: {WANTED:.2f})\n"
    )
