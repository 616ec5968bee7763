"""Rolls events up into hours: per route, over all, and the values that came most often.

Works in the transaction that inserts the events, and only on those that were really inserted. The counts are
added by the database; the summaries are read, updated and written back, which the lock of the one consumer
(`gateway.queue`) makes safe.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db import connections

from gateway.conf import conf
from gateway.events import TrafficEvent
from stats.estimators import ClientSummary, LatencySummary, estimator
from stats.estimators.top_values import TopValuesSummary
from stats.models import TopValues

logger = logging.getLogger(__name__)

HOUR_MS = 3_600_000
P95 = 0.95

Key = tuple[Any, ...]  # (hour,) or (hour, route)
Summaries = tuple[bytes, bytes]  # of response times and of clients
Summary = TypeVar("Summary")

ADDED = (
    *("requests", "errors", "status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx"),
    *("response_bytes", "response_time_sum"),
)
REPLACED = ("response_times", "clients", "p95", "distinct_clients")
COLUMNS = (*ADDED, "response_time_min", "response_time_max", *REPLACED)
TYPES = {
    "route": "text",
    "hour": "timestamptz",
    "response_time_sum": "float8",
    "response_time_min": "float8",
    "response_time_max": "float8",
    "response_times": "bytea",
    "clients": "bytea",
    "p95": "float8",
    "distinct_clients": "float8",
}

KINDS: dict[str, Callable[[TrafficEvent], str]] = {
    TopValues.Kind.CLIENT: lambda event: event.client_ip_hash,
    TopValues.Kind.USER_AGENT: lambda event: event.user_agent,
    TopValues.Kind.COUNTRY: lambda event: event.country,
    TopValues.Kind.METHOD: lambda event: event.method,
    TopValues.Kind.STATUS: lambda event: str(event.status),
}


def hour_of(event: TrafficEvent) -> datetime:
    """Its hour (UTC)."""
    return datetime.fromtimestamp(event.timestamp // HOUR_MS * HOUR_MS / 1000, UTC)


def add(events: Sequence[TrafficEvent]) -> None:
    """Rolls up events that were just inserted, in the caller's transaction. Raises django.db.Error."""
    if not events:  # duplicates only
        return
    by_hour: dict[Key, list[TrafficEvent]] = defaultdict(list)
    by_route: dict[Key, list[TrafficEvent]] = defaultdict(list)
    for event in events:
        hour = event.timestamp // HOUR_MS
        by_hour[(hour,)].append(event)
        by_route[(hour, event.route)].append(event)
    _upsert("stats_pathstatshourly", ("hour", "route"), _with_datetimes(by_route))
    hours = _with_datetimes(by_hour)
    _upsert("stats_totalshourly", ("hour",), hours)
    _upsert_top_values({key[0]: group for key, group in hours.items()})


def _with_datetimes(groups: Mapping[Key, list[TrafficEvent]]) -> dict[Key, list[TrafficEvent]]:
    """In the order of their keys, so that two writers could never wait for each other."""
    return {(hour_of(groups[key][0]), *key[1:]): groups[key] for key in sorted(groups)}


def _upsert(table: str, names: Sequence[str], groups: Mapping[Key, list[TrafficEvent]]) -> None:
    known = _summaries(table, names, list(groups))
    rows = [(*key, *figures(group, known.get(key))) for key, group in groups.items()]
    columns = (*names, *COLUMNS)
    keys = ", ".join(names)
    changes = ", ".join(
        [
            *(f"{name} = stats.{name} + excluded.{name}" for name in ADDED),
            "response_time_min = least(stats.response_time_min, excluded.response_time_min)",
            "response_time_max = greatest(stats.response_time_max, excluded.response_time_max)",
            *(f"{name} = excluded.{name}" for name in REPLACED),
        ]
    )
    # Table and columns are the constants above: identifiers can't be parameters.
    sql = (
        f"INSERT INTO {table} AS stats ({', '.join(columns)}) SELECT * FROM {_unnest(columns)}"  # noqa: S608
        f" ON CONFLICT ({keys}) DO UPDATE SET {changes}"
    )
    with connections[conf.database].cursor() as cursor:
        cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)])


def _summaries(table: str, names: Sequence[str], keys: Sequence[Key]) -> dict[Key, Summaries]:
    """What the rows hold so far."""
    columns = ", ".join(names)
    sql = (
        f"SELECT {columns}, response_times, clients FROM {table}"  # noqa: S608
        f" JOIN {_unnest(names)} USING ({columns})"
    )
    with connections[conf.database].cursor() as cursor:
        cursor.execute(sql, [list(column) for column in zip(*keys, strict=True)])
        return {tuple(row[:-2]): (bytes(row[-2]), bytes(row[-1])) for row in cursor.fetchall()}


def _unnest(columns: Sequence[str]) -> str:
    arrays = ", ".join(f"%s::{TYPES.get(name, 'bigint')}[]" for name in columns)
    return f"unnest({arrays}) AS given ({', '.join(columns)})"


def figures(events: Sequence[TrafficEvent], known: Summaries | None) -> tuple[Any, ...]:
    """A row's `COLUMNS` for these events; its summaries go on where the known ones, if any, ended."""
    times = [event.response_time for event in events]
    classes = Counter(event.status // 100 for event in events)
    latency, clients = read(*known) if known else (estimator().latency(), estimator().clients())
    latency.update(times)
    clients.update([event.client_ip_hash for event in events])
    return (
        len(events),
        classes[4] + classes[5],
        *(classes[number] for number in range(1, 6)),
        sum(event.response_bytes for event in events),
        sum(times),
        min(times),
        max(times),
        latency.to_bytes(),
        clients.to_bytes(),
        latency.quantiles([P95])[0].value,
        clients.estimate().estimate,
    )


def read(response_times: bytes, clients: bytes) -> tuple[LatencySummary, ClientSummary]:
    """A row's summaries. One that is missing or can't be read must not stop the counting: a new one begins.

    What it lacks shows: the new one of clients gives lower bounds, that of times has counted fewer requests
    than its row.
    """
    return _readable(response_times, estimator().latency) or estimator().latency(), (
        _readable(clients, estimator().clients) or _clients_unknown()
    )


def read_top_values(summary: bytes) -> TopValuesSummary:
    """As `read`: a new one has a lower total than its row."""
    return _readable(summary, TopValuesSummary.from_bytes) or TopValuesSummary()


def _readable(stored: bytes, decode: Callable[[bytes], Summary]) -> Summary | None:
    try:
        return decode(stored) if stored else None
    except ValueError as error:
        logger.error("Summary can't be read, a new one begins: %s", error)
        return None


def _clients_unknown() -> ClientSummary:
    summary = estimator().clients()
    summary.miss_some()
    return summary


def _upsert_top_values(groups: Mapping[datetime, Iterable[TrafficEvent]]) -> None:
    keys = [(hour, kind) for hour in groups for kind in sorted(KINDS)]
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            "SELECT hour, kind, summary FROM stats_topvalueshourly WHERE hour = ANY(%s)", [list(groups)]
        )
        known = {(hour, kind): bytes(summary) for hour, kind, summary in cursor.fetchall()}
        rows: list[tuple[datetime, str, int, bytes]] = []
        for hour, kind in keys:
            counts = Counter(map(KINDS[kind], groups[hour]))
            summary = read_top_values(known.get((hour, kind), b""))
            summary.update(counts)
            rows.append((hour, kind, counts.total(), summary.to_bytes()))
        cursor.execute(
            """
            INSERT INTO stats_topvalueshourly AS stats (hour, kind, requests, summary)
            SELECT * FROM unnest(%s::timestamptz[], %s::text[], %s::bigint[], %s::bytea[])
            ON CONFLICT (hour, kind) DO UPDATE SET
                requests = stats.requests + excluded.requests, summary = excluded.summary
            """,
            [list(column) for column in zip(*rows, strict=True)],
        )
