"""Rolls events up into hours: per route, over all, and the values that came most often.

Works in the transaction that inserts the events, and only on those that were really inserted. The counts are
added by the database; the summaries are read, updated and written back, which the lock of the one consumer
(`gateway.queue`) makes safe.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

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
    "kind": "text",
    "summary": "bytea",
    "hour": "bigint",
    "response_time_sum": "float8",
    "response_time_min": "float8",
    "response_time_max": "float8",
    "response_times": "bytea",
    "clients": "bytea",
    "p95": "float8",
    "distinct_clients": "float8",
}

DIGITS = ("bigint", "float8")

# Who writes now, and in which life of which server: after a failover to a server that lagged behind, a
# transaction's number may come a second time.
_WRITER = "SELECT pg_postmaster_start_time()::text, pg_current_xact_id()::xid::text::int8"
_remembered = Remembered()


class Table(NamedTuple):
    """A table of hours, and the columns that tell its rows apart."""

    name: str
    keys: tuple[str, ...]


ROUTES = Table("stats_pathstatshourly", ("hour", "route"))
TOTALS = Table("stats_totalshourly", ("hour",))

KINDS: dict[TopValues.Kind, Callable[[Sequence[TrafficEvent]], list[Any]]] = {
    TopValues.Kind.CLIENT: lambda events: [event.client_ip_hash for event in events],
    TopValues.Kind.USER_AGENT: lambda events: [event.user_agent for event in events],
    TopValues.Kind.COUNTRY: lambda events: [event.country for event in events],
    TopValues.Kind.METHOD: lambda events: [event.method for event in events],
    TopValues.Kind.STATUS: lambda events: [event.status for event in events],
}


class Rollup:
    """What some events, that are being inserted, add to the rows of their hours.

    In three steps, of which the middle one, `pieces`, is done while PostgreSQL works on something else. All
    in one transaction.
    """

    def __init__(self, events: list[TrafficEvent]) -> None:
        """Reads what the rows hold so far. Raises django.db.Error.

        `events` are afterwards those to insert: what has no room has another route (`stats.route_cap`).
        """
        self._server, self._transaction = execute(_WRITER, [])[0]
        routes = [event.route for event in events]
        hours = np.array([event.timestamp for event in events]) // HOUR_MS
        keys = _Keys(hours, routes)
        known = self._summaries(ROUTES, [*keys.distinct, *((hour, OTHER) for hour in keys.hours)])
        refused = route_cap.refused(keys.as_they_came, known)
        if refused:
            events = [
                route_cap.capped(event) if (hour, event.route) in refused else event
                for hour, event in zip(hours.tolist(), events, strict=True)
            ]
            keys = _Keys(hours, [event.route for event in events])
        self.events = events
        by_hour = [(hour,) for hour in keys.hours]
        self._tables = [
            _Addition(ROUTES, keys.distinct, keys.places, known),
            _Addition(TOTALS, by_hour, keys.hour_places, self._summaries(TOTALS, by_hour)),
        ]
        self._top_values = _TopValuesAddition(events, keys)

    def pieces(self) -> Iterator[Callable[[], None]]:
        """The sums, in pieces of work that are to be done in this order, none of which needs the database."""
        yield self._group
        for table in self._tables:
            yield from table.pieces()
        yield from self._top_values.pieces()

    def _group(self) -> None:
        columns = Columns(self.events)
        for table in self._tables:
            table.group(columns)

    def write(self) -> None:
        """Writes it back. Raises django.db.Error."""
        for table in self._tables:
            for row, summaries in table.write():
                _remembered.keep(row, (self._server, self._transaction), summaries)
        self._top_values.write()

    def _summaries(self, table: Table, keys: Sequence[Key]) -> dict[Key, Summaries]:
        """What the rows hold so far: those that this process wrote last, it remembers."""
        found: dict[Key, Summaries] = {}
        unknown: list[Key] = []
        for *columns, written_in in _select(table, keys, "stats.xmin::text::int8"):
            key = tuple(columns)
            summaries = _remembered.take((table, key), (self._server, written_in))
            if summaries is None:
                unknown.append(key)
            else:
                found[key] = summaries
        if unknown:
            for *columns, response_times, clients in _select(table, unknown, "response_times, clients"):
                found[tuple(columns)] = Summaries(*read(response_times, clients))
        return found


class _Keys:
    """Which hour, and which route and hour, each event belongs to: by its place among the distinct ones.

    As numbers: thousands of tuples take longer, and set off the garbage collector.
    """

    def __init__(self, hours: NDArray[np.int64], routes: Sequence[str]) -> None:
        distinct_hours, self.hour_places = np.unique(hours, return_inverse=True)
        self.hours: list[int] = distinct_hours.tolist()
        # In this order, so that two writers could never wait for each other.
        names = sorted(set(routes))
        numbers = {name: number for number, name in enumerate(names)}
        route_places = np.array([numbers[route] for route in routes])
        pairs, first, self.places = np.unique(
            self.hour_places * len(names) + route_places, return_index=True, return_inverse=True
        )
        self.distinct: list[Key] = [
            (self.hours[pair // len(names)], names[pair % len(names)]) for pair in pairs.tolist()
        ]
        self._first = first

    @property
    def as_they_came(self) -> list[Key]:
        """The distinct ones by their first event."""
        return [self.distinct[place] for place in np.argsort(self._first).tolist()]


class _Addition:
    """To the rows of one table that has `COLUMNS`."""

    def __init__(
        self, table: Table, keys: Sequence[Key], places: NDArray[np.int64], known: Mapping[Key, Summaries]
    ) -> None:
        """`places` says for each event which of the keys it belongs to; `known` what their rows hold."""
        self._table, self._keys, self._places, self._known = table, keys, places, known
        self._new = estimator()
        self._groups: list[Group] = []
        self._summaries: list[Summaries] = []
        self._rows: list[tuple[Any, ...]] = []

    def group(self, columns: Columns) -> None:
        self._groups = columns.grouped(self._places, len(self._keys))

    def pieces(self) -> Iterator[Callable[[], None]]:
        return (partial(self._add, number) for number in range(len(self._keys)))

    def _add(self, number: int) -> None:
        key, group = self._keys[number], self._groups[number]
        summaries = self._known.get(key) or Summaries(self._new.latency(), self._new.clients())
        self._summaries.append(summaries)
        self._rows.append((*key, *_figures(group, summaries)))

    def write(self) -> Iterator[tuple[Hashable, Summaries]]:
        """Writes the rows; each one's name and what it holds now."""
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
            f" SELECT * FROM {_given(columns)} ON CONFLICT ({', '.join(self._table.keys)})"
            f" DO UPDATE SET {changes}"
        )
        execute(sql, _arrays(columns, self._rows))
        return zip(((self._table, key) for key in self._keys), self._summaries, strict=True)


def _select(table: Table, keys: Sequence[Key], columns: str) -> list[tuple[Any, ...]]:
    """The rows of these keys: each its key, then `columns`."""
    others = "".join(f", {name}" for name in table.keys[1:])
    return execute(
        f"SELECT (extract(epoch FROM hour) / 3600)::int8{others}, {columns} FROM {table.name} AS stats"  # noqa: S608
        f" JOIN {_given(table.keys)} USING ({', '.join(table.keys)})",
        _arrays(table.keys, keys),
    )


def _given(columns: Sequence[str]) -> str:
    """Rows that come as one array a column, for `_arrays`; the hour as hours since the epoch."""
    # What is not written in digits comes in PostgreSQL's binary form (%b): summaries as text are hexadecimal.
    types = [TYPES.get(name, "bigint") for name in columns]
    arrays = ", ".join(f"{'%s' if kind in DIGITS else '%b'}::{kind}[]" for kind in types)
    selected = ", ".join("to_timestamp(hour * 3600) AS hour" if name == "hour" else name for name in columns)
    names = ", ".join(columns)
    return f"(SELECT {selected} FROM unnest({arrays}) AS given ({names})) AS given"  # noqa: S608


def _arrays(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[Any]:
    """The parameters of `_given`. Digits are joined here: psycopg takes ten times as long for each number."""
    return [
        f"{{{','.join(map(str, values))}}}" if TYPES.get(name, "bigint") in DIGITS else list(values)
        for name, values in zip(columns, zip(*rows, strict=True), strict=True)
    ]


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

    def __init__(self, events: list[TrafficEvent], keys: _Keys) -> None:
        self._hours, self._places, self._events = keys.hours, keys.hour_places, events
        found = execute(
            "SELECT (extract(epoch FROM hour) / 3600)::int8, kind, summary FROM stats_topvalueshourly"  # noqa: S608
            f" WHERE hour IN (SELECT hour FROM {_given(('hour',))})",
            _arrays(("hour",), [(hour,) for hour in self._hours]),
        )
        self._known = {(hour, kind): summary for hour, kind, summary in found}
        self._rows: list[tuple[int, str, int, bytes]] = []

    def pieces(self) -> Iterator[Callable[[], None]]:
        yield self._part
        for place, kind in product(range(len(self._hours)), sorted(KINDS)):
            yield partial(self._add, place, kind)

    def _part(self) -> None:
        self._by_hour: list[list[TrafficEvent]]
        if len(self._hours) == 1:
            self._by_hour = [self._events]
            return
        self._by_hour = [[] for _ in self._hours]
        for place, event in zip(self._places.tolist(), self._events, strict=True):
            self._by_hour[place].append(event)

    def _add(self, place: int, kind: TopValues.Kind) -> None:
        hour = self._hours[place]
        counts = Counter(KINDS[kind](self._by_hour[place]))
        summary = read_top_values(self._known.get((hour, kind), b""))
        summary.update(counts)
        self._rows.append((hour, kind, counts.total(), summary.to_bytes()))

    def write(self) -> None:
        columns = ("hour", "kind", "requests", "summary")
        execute(
            f"INSERT INTO stats_topvalueshourly AS stats ({', '.join(columns)})"  # noqa: S608
            f" SELECT * FROM {_given(columns)} ON CONFLICT (hour, kind) DO UPDATE SET"
            " requests = stats.requests + excluded.requests, summary = excluded.summary",
            _arrays(columns, self._rows),
        )
