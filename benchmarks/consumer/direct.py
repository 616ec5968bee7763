"""Storing without a queue: the limit, and the statement that one would write first."""

from __future__ import annotations

import time

from django.db import connection, transaction

from benchmarks.database import checkpoint
from benchmarks.traffic import Hours
from gateway.conf import conf

COLUMNS = {
    "idempotent_id": "text",
    "timestamp": "bigint",
    "path": "text",
    "route": "text",
    "method": "text",
    "status": "smallint",
    "response_time": "float8",
    "client_ip_hash": "text",
    "request_id": "text",
    "host": "text",
    "user_agent": "text",
    "response_bytes": "bigint",
    "country": "text",
}
NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
UNNEST_EVENTS = 1_000  # of a transaction

_UNNEST = f"""
WITH stored AS (
    INSERT INTO stats_event ({NAMES})
    SELECT * FROM unnest({", ".join(f"%s::{kind}[]" for kind in COLUMNS.values())})
    ON CONFLICT DO NOTHING RETURNING "timestamp", route, status, response_time
)
INSERT INTO plain_hourlycount AS present (hour, route, requests, errors, response_time_sum)
SELECT "timestamp" / 3600000 * 3600000, route, count(*), count(*) FILTER (WHERE status >= 400),
       sum(response_time)
FROM stored GROUP BY 1, 2
ON CONFLICT (hour, route) DO UPDATE SET
    requests = present.requests + excluded.requests,
    errors = present.errors + excluded.errors,
    response_time_sum = present.response_time_sum + excluded.response_time_sum
"""  # noqa: S608


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
            cursor.execute(_UNNEST, part)
        return count / (time.perf_counter() - started)
