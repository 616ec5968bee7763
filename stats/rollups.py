"""Rolls events up into hours: per route, over all, and (`stats.frequent_values`) what came most often.

Works in the transaction that inserts the events, and only on those that were really inserted. The counts are
added by the database; the summaries are read, updated and written back, which the lock of the one consumer
(`gateway.queue`) makes safe.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.events import TrafficEvent
from gateway.statements import execute_bound
from stats import route_cap
from stats.arrays import arrays, given
from stats.columns import Columns, Group, Key, Keys
from stats.estimators import Estimator, estimator
from stats.frequent_values import FrequentValues
from stats.remembered import Remembered, Summaries
from stats.route_cap import OTHER
from stats.summaries import read

HOUR_MS = 3_600_000
P95 = 0.95

ADDED = (
    *("requests", "errors", "status_1xx", "status_2xx", "status_3xx", "status_4xx", "status_5xx"),
    *("response_bytes", "response_time_sum"),
)
REPLACED = ("response_times", "clients", "p95", "distinct_clients")
COLUMNS = (*ADDED, "response_time_min", "response_time_max", *REPLACED)
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


class Rollup:
    """What some events, that are being inserted, add to the rows of their hours.

    In three steps, of which the middle one, `pieces`, is done while PostgreSQL works on something else. All
    in one transaction.
    """

    def __init__(self, events: list[TrafficEvent]) -> None:
        """Reads what the rows hold so far. Raises django.db.Error.

        `events` are afterwards those to insert: what has no room has another route (`stats.route_cap`).
        """
        self._server, self._transaction = execute_bound(_WRITER, [])[0]
        routes = [event.route for event in events]
        hours = np.array([event.timestamp for event in events]) // HOUR_MS
        keys = Keys(hours, routes)
        known = self._summaries(ROUTES, [*keys.distinct, *((hour, OTHER) for hour in keys.hours)])
        refused = route_cap.refused(keys.as_they_came, known)
        if refused:
            events = [
                route_cap.capped(event) if (hour, event.route) in refused else event
                for hour, event in zip(hours.tolist(), events, strict=True)
            ]
            keys = Keys(hours, [event.route for event in events])
        self.events = events
        by_hour = [(hour,) for hour in keys.hours]
        self._tables = [
            _Addition(ROUTES, keys.distinct, keys.places, known),
            _Addition(TOTALS, by_hour, keys.hour_places, self._summaries(TOTALS, by_hour)),
        ]
        self._top_values = FrequentValues(events, keys)

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


class _Addition:
    """To the rows of one table that has `COLUMNS`."""

    def __init__(
        self, table: Table, keys: Sequence[Key], places: NDArray[np.int64], known: Mapping[Key, Summaries]
    ) -> None:
        """`places` says for each event which of the keys it belongs to; `known` what their rows hold."""
        self._table, self._keys, self._places, self._known = table, keys, places, known
        self._new = estimator()
        self._groups: list[Group] = []
        self._summaries: dict[Key, Summaries] = {}
        self._rows: list[tuple[Any, ...]] = []

    def group(self, columns: Columns) -> None:
        self._groups = columns.grouped(self._places, len(self._keys))

    def pieces(self) -> Iterator[Callable[[], None]]:
        return (partial(self._add, number) for number in range(len(self._keys)))

    def _add(self, number: int) -> None:
        key, group = self._keys[number], self._groups[number]
        summaries = self._known.get(key)
        if summaries is None and group.requests == 1:
            self._rows.append((*key, *_first_figures(group, self._new)))
            return
        if summaries is None:
            summaries = Summaries(self._new.latency(), self._new.clients())
        self._summaries[key] = summaries
        self._rows.append((*key, *_figures(group, summaries)))

    def write(self) -> Iterator[tuple[Hashable, Summaries]]:
        """Writes the rows; the names of those whose summaries were made, and these."""
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
            f" SELECT * FROM {given(columns)} ON CONFLICT ({', '.join(self._table.keys)})"
            f" DO UPDATE SET {changes}"
        )
        execute_bound(sql, arrays(columns, self._rows))
        return (((self._table, key), summaries) for key, summaries in self._summaries.items())


def _select(table: Table, keys: Sequence[Key], columns: str) -> list[tuple[Any, ...]]:
    """The rows of these keys: each its key, then `columns`."""
    others = "".join(f", {name}" for name in table.keys[1:])
    # The hours once more, by themselves: for thousands of keys the whole table would be read otherwise.
    hours = sorted({key[0] for key in keys})
    return execute_bound(
        f"SELECT (extract(epoch FROM hour) / 3600)::int8{others}, {columns} FROM {table.name} AS stats"  # noqa: S608
        f" JOIN {given(table.keys)} USING ({', '.join(table.keys)}) WHERE stats.hour = ANY (%b)",
        [*arrays(table.keys, keys), [datetime.fromtimestamp(hour * 3600, UTC) for hour in hours]],
    )


def _figures(group: Group, summaries: Summaries) -> tuple[Any, ...]:
    """A row's `COLUMNS` for these events; its summaries go on where they ended."""
    latency, clients = summaries.response_times, summaries.clients
    latency.add(group.response_times, group.response_time_min, group.response_time_max)
    clients.add(group.clients)
    return (
        *_counted(group),
        latency.to_bytes(),
        clients.to_bytes(),
        latency.value(P95),
        float(clients.estimate().estimate),
    )


def _first_figures(group: Group, new: Estimator) -> tuple[Any, ...]:
    """As `_figures`, of the one event that begins a row: of many routes, most rows never get a second one.

    There are no summaries to remember: a second event reads the row.
    """
    took = group.response_time_max
    client = int(group.clients[0])
    return (
        *_counted(group),
        new.new_latency.bytes_of_one(took),
        new.new_clients.bytes_of_one(client),
        took,
        1.0,
    )


def _counted(group: Group) -> tuple[Any, ...]:
    return (
        group.requests,
        group.errors,
        *group.status_classes[1:],
        group.response_bytes,
        group.response_time_sum,
        group.response_time_min,
        group.response_time_max,
    )
