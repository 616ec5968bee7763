"""What the life of a day costs: `script/bench archive`.

Fills one day of an instance of its own with events that look like a site's traffic, then archives it, drops
it and restores it, each in a process of its own, and prints seconds, peak memory and bytes an event. Compares
a checksum of all rows before and after. Exit code 0 if they are equal and the memory stayed in its bounds.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.memory import Peak

DAY = date(2026, 1, 20)
DAY_MS = 86_400_000
MOST_GROWTH = 150_000_000  # bytes of memory
STEPS = ("fill", "archive", "verify", "drop", "restore")


def rows(events: int) -> Iterator[tuple[Any, ...]]:
    """300 routes and 20,000 clients of very different weight, 200 browsers, ids as an edge makes them."""
    from gateway.idempotency import generate_idempotent_id

    chance = random.Random(1)  # noqa: S311 - traffic, not keys
    first = int(datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp()) * 1000
    clients = [f"{chance.getrandbits(64):016x}" for _ in range(20_000)]
    browsers = [f"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.{n} Chrome/{n}.0.0.0" for n in range(200)]
    for number in range(events):
        stamp = first + number * DAY_MS // events
        route = int(chance.paretovariate(1.0)) % 300
        path = f"/api/v1/resource{route}/{chance.randrange(100_000)}"
        client = clients[int(chance.paretovariate(0.5)) % 20_000]
        ray = f"{chance.getrandbits(64):016x}-FRA"
        yield (
            generate_idempotent_id(stamp, client, path, ray),
            *(stamp, path, f"/api/v1/resource{route}/{{id}}", "GET", chance.choice((200, 200, 200, 404))),
            *(round(chance.lognormvariate(3, 1), 3), client, ray, "shop.example.org"),
            *(browsers[int(chance.paretovariate(0.8)) % 200], chance.randrange(100_000), "DE"),
        )


def digest() -> tuple[int, str]:
    """How many rows the day has, and a checksum of all of their columns in order of their ids."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), sum(('x' || left(md5(event::text), 15))::bit(60)::bigint)::text"
            " FROM stats_event AS event"
        )
        return tuple(cursor.fetchone())


def fill(events: int) -> dict[str, Any]:
    from django.db import connection

    from stats.models import TrafficDay
    from stats.partitions import ensure, partition_name

    ensure([DAY])
    with connection.cursor() as cursor:
        with cursor.copy("COPY stats_event FROM STDIN") as copy:
            for row in rows(events):
                copy.write_row(row)
        cursor.execute("ANALYZE stats_event")
        cursor.execute("SELECT pg_table_size(%s), pg_indexes_size(%s)", [partition_name(DAY)] * 2)
        table, indexes = cursor.fetchone()
    long_ago = datetime.now(UTC) - timedelta(days=10)
    TrafficDay.objects.create(day=DAY, last_arrival_at=long_ago)
    return {"table_bytes": table, "index_bytes": indexes, "digest": digest()}


def archive(events: int) -> dict[str, Any]:
    from stats.archive import archive_day
    from stats.models import TrafficDay

    result = archive_day(TrafficDay.objects.get(pk=DAY))
    return {"files": result.files, "archive_bytes": result.bytes, "archived": result.events}


def verify(events: int) -> dict[str, Any]:
    from stats.archive import verify_day
    from stats.models import TrafficDay

    return {"read_back": verify_day(TrafficDay.objects.get(pk=DAY))}


def drop(events: int) -> dict[str, Any]:
    from stats.models import TrafficDay
    from stats.retention.dropping import drop_day

    drop_day(TrafficDay.objects.get(pk=DAY))
    return {"left": digest()[0]}


def restore(events: int) -> dict[str, Any]:
    from stats.archive import restore_day

    restored = restore_day(DAY)
    return {"restored": restored.events, "digest": digest()}


def step(name: str, events: int) -> dict[str, Any]:
    """One step in this process: its seconds, and how far memory grew, pyarrow's code included."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    if name == "fill":
        call_command("migrate", verbosity=0)
    connection.ensure_connection()
    started = time.perf_counter()
    with Peak() as peak:
        result = globals()[name](events)
    return {"seconds": round(time.perf_counter() - started, 1), "growth_bytes": peak.growth, **result}


def measure(events: int) -> dict[str, Any]:
    from gateway import embedded_postgres

    with tempfile.TemporaryDirectory(prefix="tg-") as folder:
        var_dir = Path(folder) / "var"
        var_dir.mkdir()
        embedded_postgres.ensure_running(var_dir)
        try:
            return {name: run(name, events, var_dir) for name in STEPS}
        finally:
            embedded_postgres.leave(var_dir)


def run(name: str, events: int, var_dir: Path) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "benchmarks.archive", "--step", name, "--events", str(events)],
        env={
            **{key: value for key, value in os.environ.items() if key not in ("DATABASE_URL", "ARCHIVE_URL")},
            "DJANGO_SETTINGS_MODULE": "gateway.settings",
            "VAR_DIR": str(var_dir),
            "LOG_LEVEL": "WARNING",
        },
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def summary(steps: dict[str, Any], events: int) -> dict[str, Any]:
    growth = {name: steps[name]["growth_bytes"] for name in STEPS[1:]}
    return {
        "events": events,
        "seconds": {name: steps[name]["seconds"] for name in STEPS[1:]},
        "memory_growth_mb": {name: round(size / 1e6, 1) for name, size in growth.items()},
        "archive_files": steps["archive"]["files"],
        "bytes_an_event": {
            "archive": round(steps["archive"]["archive_bytes"] / events, 1),
            "table": round(steps["fill"]["table_bytes"] / events, 1),
            "indexes": round(steps["fill"]["index_bytes"] / events, 1),
        },
        "read_back_equal": steps["verify"]["read_back"] == events,
        "left_after_drop": steps["drop"]["left"],
        "restored_equal": steps["restore"]["digest"] == steps["fill"]["digest"],
        "memory_in_bounds": max(growth.values()) < MOST_GROWTH,
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="script/bench archive", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the day")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.step:
        print(json.dumps(step(options.step, options.events)))
        return 0
    result = summary(measure(options.events), options.events)
    print(json.dumps(result, indent=None if options.json else 2))
    equal = result["read_back_equal"] and result["restored_equal"] and result["left_after_drop"] == 0
    return 0 if equal and result["memory_in_bounds"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
