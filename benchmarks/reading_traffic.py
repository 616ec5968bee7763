"""Synthetic traffic for `reading`, stored and rolled up as the running system does it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

HOUR_MS = 3_600_000
AT_ONCE = 20_000  # events of one transaction: a whole hour of ten million, so that its sums are written once
CLIENTS = 200_000
STATUSES, STATUS_SHARES = (200, 204, 301, 404, 500), (0.82, 0.05, 0.05, 0.06, 0.02)
METHODS, METHOD_SHARES = ("GET", "POST", "PUT"), (0.85, 0.12, 0.03)
COUNTRIES = ("DE", "US", "FR", "GB", "PL", "BR", "IN", "")


def fill(count: int, days: int, routes: int) -> dict[str, Any]:
    """Fills an empty database; leaves one alone that has as many events. What it took."""
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", verbosity=0)
    call_command("migrate", database="legacy", verbosity=0)
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(requests), 0)::bigint FROM stats_totalshourly")
        present = cursor.fetchone()[0]
        if present != count:
            if present:
                raise SystemExit(f"the database holds {present} events where none or {count} belong")
            # No commit needs to wait for the disk here. Nothing is left to be written beside what is timed.
            cursor.execute("SET synchronous_commit = off")
            _load(count, days, routes)
            cursor.execute("RESET synchronous_commit")
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")
        cursor.execute(
            "SELECT (SELECT count(*) FROM stats_pathstatshourly), count(*) FROM stats_pathstatsdaily"
        )
        hourly, daily = cursor.fetchone()
        cursor.execute("SELECT pg_database_size(current_database())")
        size = cursor.fetchone()[0]
    seconds = round(time.monotonic() - started, 1)
    return {"seconds": seconds, "hourly_rows": hourly, "daily_rows": daily, "database_bytes": size}


def _load(count: int, days: int, routes: int) -> None:
    from django.db import transaction

    from stats import daily, partitions
    from stats.store import store

    end = int(time.time() * 1000)
    first = end - days * 24 * HOUR_MS
    chance = np.random.default_rng(1)
    partitions.ensure(partitions.day_of(first + day * 24 * HOUR_MS) for day in range(days + 1))
    stored = 0
    for hour in range(days * 24):
        wanted = count * (hour + 1) // (days * 24) - stored
        stored += wanted
        for events in _batches(chance, first + hour * HOUR_MS, wanted, routes):
            with transaction.atomic():
                assert len(store(events).inserted) == len(events)
        if hour % 24 == 23:
            print(f"{stored:,} events", file=sys.stderr)
    day = datetime.fromtimestamp(first / 1000, UTC).date()
    while day < datetime.now(UTC).date():
        daily.roll_up(day)
        day += timedelta(days=1)


def events_of_hour(first: int, count: int, routes: int, seed: int) -> list[Any]:
    """`count` different events of the hour that begins at `first` (ms)."""
    return _events(np.random.default_rng(seed), first, count, routes)


def _batches(chance: np.random.Generator, first: int, count: int, routes: int) -> Iterator[list[Any]]:
    """Events of one hour, as many as one transaction takes at a time."""
    events = _events(chance, first, count, routes)
    for start in range(0, count, AT_ONCE):
        yield events[start : start + AT_ONCE]


def _events(chance: np.random.Generator, first: int, count: int, routes: int) -> list[Any]:
    from gateway.events import TrafficEvent

    times = np.sort(first + chance.integers(0, HOUR_MS, count))
    weights = 1 / np.arange(1, routes + 1)
    route = chance.choice(routes, count, p=weights / weights.sum())
    # Some routes are slow, and each has its own pace: logarithms of ms are normal around it.
    latency = np.round(np.exp(chance.normal(3, 1, count) + (route * 7919 % 100) / 50), 3)
    client = (CLIENTS * chance.random(count) ** 3).astype(int)
    status = chance.choice(STATUSES, count, p=STATUS_SHARES)
    method = chance.choice(METHODS, count, p=METHOD_SHARES)
    size = chance.lognormal(8, 1, count).astype(int)
    columns = zip(
        *(each.tolist() for each in (times, route, latency, client, status, method, size)),
        strict=True,
    )
    return [
        TrafficEvent(
            idempotent_id=f"{at}-{number:08x}",
            timestamp=at,
            path=f"/r{name}/{number}",
            route=f"/r{name}/{{id}}",
            method=verb,
            status=code,
            response_time=took,
            client_ip_hash=f"{who * 0x9E3779B97F4A7C15 % 2**64:016x}",
            request_id=f"{number:012x}-FRA",
            host="shop.example.org",
            user_agent=f"Mozilla/5.0 (agent {who % 60})",
            response_bytes=length,
            country=COUNTRIES[who % len(COUNTRIES)],
        )
        for number, (at, name, took, who, code, verb, length) in enumerate(columns)
    ]
