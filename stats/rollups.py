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
from itertools import product
from operator import attrgetter
from typing import Any, NamedTuple, TypeVar

from gateway.events import TrafficEvent
from stats import route_cap
from stats.columns import Columns, Group
from stats.estimators import ClientSummary, LatencySummary, estimator
from stats.estimators.top_values import TopValuesSummary
from stats.models import TopValues
from stats.remembered import Remembered, Summaries
from stats.route_cap import OTHER
from stats.statements import execute

logger = logging.getLogger(__name__)

HOUR_MS = 3_600_000
P95 = 0.95

Key = tuple[Any, ...]  # (hours since the epoch,), or with the route
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

_VERSION = "stats.xmin::text::int8"
_remembered = Remembered()


class Table(NamedTuple):
    """A table of hours, and the columns that tell its rows apart."""

    name: str
    keys: tuple[str, ...]


ROUTES = Table("stats_pathstatshourly", ("hour", "route"))
TOTALS = Table("stats_totalshourly", ("hour",))

# The field whose values are counted.
KINDS = {
    TopValues.Kind.CLIENT: attrgetter("client_ip_hash"),
    TopValues.Kind.USER_AGENT: attrgetter("user_agent"),
    TopValues.Kind.COUNTRY: attrgetter("country"),
    TopValues.Kind.METHOD: attrgetter("method"),
    TopValues.Kind.STATUS: attrgetter("status"),
}


class Rollup:
    """What some events, that are being inserted, add to the rows of their hours.

    In three steps, of which the middle one needs no database, and may be done while it works on something
    else. All in one transaction.
    """

    def __init__(self, events: Sequence[TrafficEvent]) -> None:
        """Reads what the rows hold so far. Raises django.db.Error.

        `events` are afterwards those to insert: what has no room has another route (`stats.route_cap`).
        """
        # Pairs are made on the way only: thousands of tuples at a time would set off the garbage collector.
        hours = [event.timestamp // HOUR_MS for event in events]
        routes = [event.route for event in events]
        keys = dict.fromkeys(zip(hours, routes, strict=True))
        known = _summaries(ROUTES, [*keys, *{(hour, OTHER) for hour in hours}])
        refused = route_cap.refused(keys, known)
        if refused:
            events = [
                route_cap.capped(event) if (hour, event.route) in refused else event
                for hour, event in zip(hours, events, strict=True)
            ]
            routes = [event.route for event in events]
        self.events = events
        known_hours = _summaries(TOTALS, [(hour,) for hour in set(hours)])
        self._tables = [
            _Addition(ROUTES, lambda: zip(hours, routes, strict=True), known),
            _Addition(TOTALS, lambda: zip(hours), known_hours),
        ]
        self._top_values = _TopValuesAddition(events, hours)

    def calculate(self) -> None:
        """Adds the events to that."""
        columns = Columns(self.events)
        for table in self._tables:
            table.calculate(columns)
        self._top_values.calculate()

    def write(self) -> None:
        """Writes it back. Raises django.db.Error."""
        for table in self._tables:
            table.write()
        self._top_values.write()


def _datetime(hour: int) -> datetime:
    """By hours since the epoch (UTC)."""
    return datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC)


class _Addition:
    """To the rows of one table that has `COLUMNS`."""

    def __init__(
        self, table: Table, keys: Callable[[], Iterable[Key]], known: Mapping[Key, Summaries]
    ) -> None:
        """`keys` gives each event's."""
        self._table, self._known = table, known
        # In the order of their keys, so that two writers could never wait for each other.
        self._places = {key: place for place, key in enumerate(sorted(set(keys())))}
        self._places_of_events = [self._places[key] for key in keys()]
        self._summaries: list[Summaries] = []
        self._rows: list[tuple[Any, ...]] = []

    def calculate(self, columns: Columns) -> None:
        groups = columns.grouped(self._places_of_events, len(self._places))
        for key, group in zip(self._places, groups, strict=True):
            summaries = self._known.get(key) or _none()
            self._summaries.append(summaries)
            self._rows.append((_datetime(key[0]), *key[1:], *_figures(group, summaries)))

    def write(self) -> None:
        columns = (*self._table.keys, *COLUMNS)
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
            f"INSERT INTO {self._table.name} AS stats ({', '.join(columns)})"  # noqa: S608
            f" SELECT * FROM {_unnest(columns)} ON CONFLICT ({', '.join(self._table.keys)})"
            f" DO UPDATE SET {changes} RETURNING {_VERSION}"
        )
        versions = execute(sql, [list(column) for column in zip(*self._rows, strict=True)])
        for key, summaries in zip(self._places, self._summaries, strict=True):
            _remembered.keep((self._table, key), versions[0][0], summaries)  # one statement, one version


def _summaries(table: Table, keys: Sequence[Key]) -> dict[Key, Summaries]:
    """What the rows hold so far: those that this process wrote last, it remembers."""
    found: dict[Key, Summaries] = {}
    unknown: list[Key] = []
    for *key, version in _select(table, keys, _VERSION):
        summaries = _remembered.take((table, tuple(key)), version)
        if summaries is None:
            unknown.append(tuple(key))
        else:
            found[tuple(key)] = summaries
    if unknown:
        for *key, response_times, clients in _select(table, unknown, "response_times, clients"):
            found[tuple(key)] = Summaries(*read(response_times, clients))
    return found


def _select(table: Table, keys: Sequence[Key], columns: str) -> list[tuple[Any, ...]]:
    """The rows of these keys: each its key, then `columns`."""
    others = "".join(f", {name}" for name in table.keys[1:])
    hours, *rest = zip(*keys, strict=True)
    return execute(
        f"SELECT (extract(epoch FROM hour) / 3600)::int8{others}, {columns} FROM {table.name} AS stats"  # noqa: S608
        f" JOIN {_unnest(table.keys)} USING ({', '.join(table.keys)})",
        [[_datetime(hour) for hour in hours], *map(list, rest)],
    )


def _unnest(columns: Sequence[str]) -> str:
    # In PostgreSQL's binary form (%b): as text, summaries are hexadecimal digits.
    arrays = ", ".join(f"%b::{TYPES.get(name, 'bigint')}[]" for name in columns)
    return f"unnest({arrays}) AS given ({', '.join(columns)})"


def _none() -> Summaries:
    return Summaries(estimator().latency(), estimator().clients())


def _figures(group: Group, summaries: Summaries) -> tuple[Any, ...]:
    """A row's `COLUMNS` for these events; its summaries go on where they ended."""
    latency, clients = summaries.response_times, summaries.clients
    latency.add(group.response_times, group.response_time_min, group.response_time_max)
    clients.add(group.clients)
    return (
        group.requests,
        group.errors,
        *group.status_classes[1:],
        group.response_bytes,
        group.response_time_sum,
        group.response_time_min,
        group.response_time_max,
        latency.to_bytes(),
        clients.to_bytes(),
        latency.value(P95),
        float(clients.estimate().estimate),
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


class _TopValuesAddition:
    """To the rows of frequent values."""

    def __init__(self, events: Sequence[TrafficEvent], hours: Sequence[int]) -> None:
        self._by_hour: dict[int, list[TrafficEvent]] = defaultdict(list)
        for hour, event in zip(hours, events, strict=True):
            self._by_hour[hour].append(event)
        found = execute(
            "SELECT (extract(epoch FROM hour) / 3600)::int8, kind, summary FROM stats_topvalueshourly"
            " WHERE hour = ANY(%b)",
            [[_datetime(hour) for hour in self._by_hour]],
        )
        self._known = {(hour, kind): summary for hour, kind, summary in found}
        self._rows: list[tuple[datetime, str, int, bytes]] = []

    def calculate(self) -> None:
        for hour, kind in product(sorted(self._by_hour), sorted(KINDS)):
            counts = Counter(map(KINDS[kind], self._by_hour[hour]))
            summary = read_top_values(self._known.get((hour, kind), b""))
            summary.update({str(value): count for value, count in counts.items()})
            self._rows.append((_datetime(hour), kind, counts.total(), summary.to_bytes()))

    def write(self) -> None:
        execute(
            """
            INSERT INTO stats_topvalueshourly AS stats (hour, kind, requests, summary)
            SELECT * FROM unnest(%b::timestamptz[], %b::text[], %b::bigint[], %b::bytea[])
            ON CONFLICT (hour, kind) DO UPDATE SET
                requests = stats.requests + excluded.requests, summary = excluded.summary
            """,
            [list(column) for column in zip(*self._rows, strict=True)],
        )
