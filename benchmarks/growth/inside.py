"""What is measured with the shipped consumer called in this process, as its task calls it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection
from django.test import override_settings

from benchmarks.consumer.queued import queue_ours
from benchmarks.database import checkpoint
from benchmarks.report import progress
from benchmarks.traffic import Hours

FEW, MANY = 100, 10_000  # routes of an hour


def consume(hours: Hours, count: int, routes: int | None = None) -> float:
    """Queues an hour's events and drains them: events a second of the drain."""
    _, events = hours.take(count, routes)
    queue_ours(events)
    del events
    checkpoint()
    return drain(count)


def drain(count: int) -> float:
    """Events a second until so many are stored."""
    from stats.consumer import drain as drain_once

    done = 0
    started = time.perf_counter()
    while done < count:
        totals = drain_once()
        # Among millions of rows one or the other has this id already: 32 bits in a millisecond.
        done += totals.inserted + totals.duplicates + totals.dead
    return count / (time.perf_counter() - started)


def routes(hours: Hours, count: int, rounds: int) -> dict[str, Any]:
    """Hours of few and of many routes in turn, with the cap lifted and as shipped."""
    found = []
    for number in range(rounds + 1):
        with override_settings(STATS_ROUTES_PER_HOUR=2 * MANY):
            few, many = consume(hours, count, FEW), consume(hours, count, MANY)
        found.append((few, many, consume(hours, count, MANY)))
        progress(
            "routes, round {}: {:,.0f}, {:,.0f} and capped {:,.0f} events a second".format(number, *found[-1])
        )
    counted = found[1:]
    names = (f"{FEW} routes", f"{MANY:,} routes", f"{MANY:,} routes, capped as shipped")
    return {
        "medians": {
            name: round(statistics.median(column))
            for name, column in zip(names, zip(*counted, strict=True), strict=True)
        },
        "uncapped": statistics.median(many / few for few, many, _ in counted),
        "capped": statistics.median(capped / few for few, _, capped in counted),
    }


_SIZES = """
SELECT pg_current_wal_lsn() - '0/0',
       sum(pg_table_size(relid)), sum(pg_indexes_size(relid)),
       sum(pg_total_relation_size(relid))
FROM pg_partition_tree('stats_event')
"""


def sizes(hours: Hours, count: int) -> dict[str, float]:
    """Bytes that each event adds: WAL of queueing and of consuming, table, indexes."""
    consume(hours, count)  # the pages of an index that is begun anew are no measure
    _, events = hours.take(count)
    checkpoint()
    before = _sizes()
    queue_ours(events)
    queued = _sizes()
    drain(count)
    after = _sizes()
    return {
        "WAL, queued": round((queued[0] - before[0]) / count, 1),
        "WAL, consumed": round((after[0] - queued[0]) / count, 1),
        "table": round((after[1] - before[1]) / count, 1),
        "indexes": round((after[2] - before[2]) / count, 1),
    }


def _sizes() -> tuple[float, ...]:
    with connection.cursor() as cursor:
        cursor.execute(_SIZES)
        return tuple(float(value) for value in cursor.fetchone())


_LOOK = """
EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)
SELECT id FROM gateway_queuedbatch WHERE visible_at <= clock_timestamp() ORDER BY visible_at, id LIMIT 200
"""


def look() -> dict[str, float]:
    """What it costs to look for due batches where there are none, as the claim does; the queue's bytes."""
    with connection.cursor() as cursor:
        cursor.execute(_LOOK)
        plan = cursor.fetchone()[0][0]
        cursor.execute("SELECT pg_total_relation_size('gateway_queuedbatch')")
        size = cursor.fetchone()[0]
    found = plan["Plan"]
    return {
        "milliseconds": round(plan["Execution Time"], 2),
        "buffers": found["Shared Hit Blocks"] + found["Shared Read Blocks"],
        "queue_bytes": size,
    }


@contextmanager
def snapshot() -> Iterator[None]:
    """A session that has begun to read, and does not end."""
    entry = connection.get_connection_params()
    entry = {name: entry[name] for name in ("host", "port", "user", "dbname")}
    with psycopg.connect(**entry) as other:
        other.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        other.execute("SELECT count(*) FROM gateway_queuedbatch")
        yield
