"""What it takes to hand events to a queue, in microseconds an event, from one thread.

All ways in turn, in one process and into one PostgreSQL with its default durability; each call is committed
before it returns. Tallygate encodes its events meanwhile, as its sender does; what is beside it gets them
encoded, but for the ORM, which has fields. A ratio is the median of the rounds. `script/bench producer`.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.capture.servers import migrate
from benchmarks.report import Bars, Report, parser, progress
from gateway import embedded_postgres

OURS = "Tallygate, 100 events"
WAYS = 1_000  # events a round of what hands over many at once
SINGLE = 100  # events a round of what hands over one at a time

Way = tuple[Callable[[], None], int]  # hands over so many events


def main(arguments: list[str]) -> int:
    made = parser("producer", __doc__)
    made.add_argument("--rounds", type=int, default=15)
    options = made.parse_args(arguments)
    rounds = 5 if options.quick else options.rounds
    report = Report("producer", "Microseconds an event to hand it over", settings={"rounds": rounds})
    with tempfile.TemporaryDirectory(prefix="tg-") as folder:
        var_dir = Path(folder)
        embedded_postgres.ensure_running(var_dir)
        try:
            _measure(report, _ways(var_dir), rounds)
        finally:
            _close()
            embedded_postgres.leave(var_dir)
    return report.finish(options)


def _measure(report: Report, ways: dict[str, Way], rounds: int) -> None:
    seen: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, (hand_over, events) in ways.items():
            started = time.perf_counter()
            hand_over()
            if number:  # the first warms up
                seen[name].append((time.perf_counter() - started) / events * 1e6)
        progress(f"round {number}")
    medians = {name: round(statistics.median(times), 2) for name, times in seen.items()}
    report.figures["microseconds an event"] = medians
    for name, times in seen.items():
        if not name.startswith("Tallygate"):
            ratio = statistics.median(other / ours for other, ours in zip(times, seen[OURS], strict=True))
            report.figures[f"{name}, times ours"] = round(ratio, 3)
            if "async_task" in name or "procrastinate" in name or "ORM" in name:
                report.add(f"{name}, times {OURS}", ratio, at_least=1.0)
    report.plot = Bars("To hand over an event", "µs, logarithmic", medians, logarithmic=True)


def _ways(var_dir: Path) -> dict[str, Way]:
    """Everything that is compared."""
    os.environ.update(VAR_DIR=str(var_dir), DJANGO_SETTINGS_MODULE="benchmarks.capture.settings.producer")
    migrate("producer", var_dir)
    import logging

    import django

    django.setup()
    logging.disable(logging.INFO)
    from django_q.tasks import async_task

    from benchmarks.capture.models import Hit
    from gateway import queue
    from gateway.events import encode

    events = _events()
    encoded = [encode(event) for event in events]
    texts = [event.decode() for event in encoded]
    task = "benchmarks.bare.tasks.store"

    def one_by_one(hand_over: Callable[[str], Any]) -> None:
        for text in texts[:SINGLE]:
            hand_over(text)

    def by_hundreds(hand_over: Callable[[list[Any]], Any], items: list[Any]) -> None:
        for start in range(0, len(items), 100):
            hand_over(items[start : start + 100])

    return {
        OURS: (partial(by_hundreds, queue.send_events, events), WAYS),
        "Tallygate, 1,000 events": (partial(queue.send_events, events), WAYS),
        "async_task of one": (partial(one_by_one, partial(async_task, task)), SINGLE),
        "async_task of 100": (partial(by_hundreds, partial(async_task, task), texts), WAYS),
        "ORM create": (partial(one_by_one, lambda _: _hit(Hit).save()), SINGLE),
        "ORM bulk_create of 100": (
            partial(by_hundreds, lambda some: Hit.objects.bulk_create([_hit(Hit) for _ in some]), texts),
            WAYS,
        ),
        "SQLite insert": (partial(one_by_one, _sqlite(var_dir)), SINGLE),
        "os.write to a file": (partial(_write, var_dir, encoded), WAYS),
        **_procrastinate(texts, one_by_one, by_hundreds),
    }


def _procrastinate(texts: list[str], one_by_one: Any, by_hundreds: Any) -> dict[str, Way]:
    import procrastinate

    entry = _settings()
    connector = procrastinate.SyncPsycopgConnector(
        kwargs={"host": entry["HOST"], "port": entry["PORT"], "user": entry["USER"], "dbname": entry["NAME"]}
    )
    app = procrastinate.App(connector=connector)
    app.open()
    app.schema_manager.apply_schema()

    @app.task
    def store(events: Any) -> None:
        """Never run here."""

    return {
        "procrastinate, a job an event": (
            partial(one_by_one, lambda text: store.defer(events=text)),
            SINGLE,
        ),
        "procrastinate, a job a 100": (
            partial(by_hundreds, lambda some: store.defer(events=some), texts),
            WAYS,
        ),
    }


def _settings() -> dict[str, Any]:
    from django.db import connection

    return connection.settings_dict


def _events() -> list[Any]:
    from benchmarks.reading_traffic import HOUR_MS, events_of_hour

    hour = int(time.time() * 1000) // HOUR_MS * HOUR_MS
    return list(events_of_hour(hour, WAYS, 100, seed=1))


def _hit(model: Any) -> Any:
    from django.utils import timezone

    return model(
        at=timezone.now(), path="/api/area1/items/1", method="GET", status=200, milliseconds=1.5,
        address="198.51.100.7", user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36",
    )  # fmt: skip


def _sqlite(var_dir: Path) -> Callable[[str], None]:
    database = sqlite3.connect(var_dir / "events.sqlite3", isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE event (payload TEXT)"
    )

    def insert(text: str) -> None:
        database.execute("INSERT INTO event VALUES (?)", [text])

    return insert


def _write(var_dir: Path, events: list[bytes]) -> None:
    file = os.open(var_dir / "events.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for event in events:
        os.write(file, event + b"\n")
    os.close(file)


def _close() -> None:
    from django.db import connections

    connections.close_all()
