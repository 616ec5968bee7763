"""Storing without a queue: the limit, and the statement that one would write first."""

from __future__ import annotations

import time

from django.db import connection, transaction

from benchmarks.database import checkpoint
from benchmarks.plain.columns import COLUMNS, NAMES, STORE
from benchmarks.traffic import Hours
from gateway.conf import conf

UNNEST_EVENTS = 1_000  # of a transaction


def copy(count: int, hours: Hours) -> float:
    """COPY of prepared text, and of it what is not there yet: rows only, no counts."""
    _, events = hours.take(count)
    rows = ["\t".join(str(getattr(event, name)) for name in COLUMNS) + "\n" for event in events]
    step = conf.transaction_events
    parts = ["".join(rows[start : start + step]) for start in range(0, len(rows), step)]
    del events, rows
    with connection.cursor() as cursor:
        cursor.execute("CREATE UNLOGGED TABLE IF NOT EXISTS arriving (LIKE stats_event)")
        checkpoint()
        started = time.perf_counter()
        for part in parts:
            with transaction.atomic():
                cursor.execute("TRUNCATE arriving")
                with cursor.copy(f"COPY arriving ({NAMES}) FROM STDIN") as target:
                    target.write(part)
                cursor.execute(
                    f"INSERT INTO stats_event ({NAMES}) SELECT {NAMES} FROM arriving ON CONFLICT DO NOTHING"  # noqa: S608
                )
        return count / (time.perf_counter() - started)


def unnest(count: int, hours: Hours) -> float:
    """Arrays of prepared columns, and sums of what was new, in one statement."""
    _, events = hours.take(count)
    parts = [
        [[getattr(event, name) for event in events[start : start + UNNEST_EVENTS]] for name in COLUMNS]
        for start in range(0, count, UNNEST_EVENTS)
    ]
    del events
    checkpoint()
    with connection.cursor() as cursor:
        started = time.perf_counter()
        for part in parts:
            cursor.execute(STORE, part)
        return count / (time.perf_counter() - started)
