"""Merges the hours of a day that is over into its daily rows.

The daily rows of a day hold while `TrafficDay.rolled_version` is its `version`; a reader uses the hourly
ones until then, so a merge that was cut short, or an event that came late, is never seen half. They are
merged anew from all hours. Only after those were dropped (`hours_dropped_at`), what arrives later is added to
the daily rows, and its hours are dropped in the same transaction: then both together are the day.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, islice
from typing import Any

from django.db import Error, connections, transaction
from django.db.backends.utils import CursorWrapper

from gateway.conf import conf
from stats import imported_hours
from stats.errors import is_transient, one_line
from stats.estimators import estimator
from stats.estimators.top_values import TopValuesSummary
from stats.rollups import COLUMNS, P95
from stats.route_cap import OTHER
from stats.summaries import read, read_top_values

logger = logging.getLogger(__name__)

TRIES = 5  # of a merge that met the consumer
WRITTEN_AT_ONCE = 200  # rows
LOCK_KEY = 0x7A11_DA11  # of the one merge that runs at a time

Row = tuple[Any, ...]

# Of too many routes the busiest are kept: daily rows are kept for ever.
_ROUTES = """
WITH hours AS (SELECT route, {columns} FROM stats_pathstatshourly WHERE hour >= %(first)s AND hour < %(end)s
               UNION ALL
               SELECT route, {columns} FROM stats_pathstatsdaily WHERE day = %(added_to)s),
     kept AS (SELECT route FROM hours GROUP BY route ORDER BY sum(requests) DESC, route LIMIT %(cap)s)
SELECT CASE WHEN kept.route IS NULL THEN %(other)s ELSE route END, {columns}
FROM hours LEFT JOIN kept USING (route) ORDER BY 1
"""
_TOTALS = """
SELECT '', {columns} FROM stats_totalshourly WHERE hour >= %(first)s AND hour < %(end)s
UNION ALL SELECT '', {columns} FROM stats_totalsdaily WHERE day = %(added_to)s
"""
_TOP_VALUES = """
SELECT kind, requests, summary FROM stats_topvalueshourly WHERE hour >= %(first)s AND hour < %(end)s
UNION ALL SELECT kind, requests, summary FROM stats_topvaluesdaily WHERE day = %(added_to)s ORDER BY 1
"""


class UnknownDay(LookupError):
    """A day for which nothing was ever stored."""


@dataclass(frozen=True)
class Merged:
    """One day that was merged."""

    day: date
    routes: int


def due(today: date) -> list[date]:
    """The days before `today` that changed since they were merged. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            "SELECT day FROM stats_trafficday WHERE version <> rolled_version AND day < %s ORDER BY day",
            [today],
        )
        return [row[0] for row in cursor.fetchall()]


def roll_up(day: date) -> Merged | None:
    """Merges one day; None if another process merges at the moment.

    The consumer does not wait for it. Raises django.db.Error, and UnknownDay for one without events.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return _roll_up(day)
        except Error as error:
            if attempt == TRIES or not is_transient(error):
                raise
            logger.info("Merge of %s tried again: %s", day, one_line(error))
    return None


def _roll_up(day: date) -> Merged | None:
    database = connections[conf.database]
    with transaction.atomic(using=conf.database), database.cursor() as cursor:
        # One snapshot for the version and the rows.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK_KEY])
        if not cursor.fetchone()[0]:
            return None
        cursor.execute("SELECT version, hours_dropped_at FROM stats_trafficday WHERE day = %s", [day])
        if (known := cursor.fetchone()) is None:
            raise UnknownDay(f"no events were ever stored for {day}")
        version, hours_dropped_at = known
        first = datetime(day.year, day.month, day.day, tzinfo=UTC)
        bounds = {
            "first": first,
            "end": first + timedelta(days=1),
            "added_to": day if hours_dropped_at else None,
            "cap": conf.routes_per_day,
            "other": OTHER,
        }
        routes = _write(cursor, "pathstats", ("route",), COLUMNS, day, _merged(_ROUTES, bounds))
        _write(cursor, "totals", (), COLUMNS, day, (row[1:] for row in _merged(_TOTALS, bounds)))
        _write(cursor, "topvalues", ("kind",), ("requests", "summary"), day, _merged_top_values(bounds))
        if hours_dropped_at:
            # No import can be under way that this snapshot does not see: it would pass this day over.
            imported_hours.supersede(cursor, first, first + timedelta(days=1))
            for table in ("pathstats", "totals", "topvalues"):
                sql = f"DELETE FROM stats_{table}hourly WHERE hour >= %(first)s AND hour < %(end)s"  # noqa: S608
                cursor.execute(sql, bounds)
    with database.cursor() as cursor:
        # Not in that snapshot: the consumer may have raised the version since, and then it is due again.
        cursor.execute("UPDATE stats_trafficday SET rolled_version = %s WHERE day = %s", [version, day])
    logger.info("Day merged: %s | Routes: %d", day, routes)
    return Merged(day, routes)


def _stream(sql: str, bounds: dict[str, Any]) -> Iterator[Row]:
    """The rows of a query, without all of them in memory. They are those of the moment it was begun."""
    with connections[conf.database].chunked_cursor() as cursor:
        cursor.execute(sql.format(columns=", ".join(COLUMNS)), bounds)
        yield from cursor


def _merged(sql: str, bounds: dict[str, Any]) -> Iterator[Row]:
    """Key and `COLUMNS`, one row a key."""
    for key, rows in groupby(_stream(sql, bounds), key=lambda row: row[0]):
        yield key, *merge([dict(zip(COLUMNS, row[1:], strict=True)) for row in rows])


def merge(rows: Sequence[dict[str, Any]]) -> Row:
    """`COLUMNS` of some rollups together. Summaries are merged, never added up."""
    latency, clients = estimator().latency(), estimator().clients()
    for row in rows:
        other_latency, other_clients = read(row["response_times"], row["clients"])
        latency.merge(other_latency)
        clients.merge(other_clients)
    special = {
        "response_time_min": min(row["response_time_min"] for row in rows),
        "response_time_max": max(row["response_time_max"] for row in rows),
        "response_times": latency.to_bytes(),
        "clients": clients.to_bytes(),
        "p95": latency.quantiles([P95])[0].value or 0.0,
        "distinct_clients": clients.estimate().estimate,
    }
    return tuple(special[name] if name in special else sum(row[name] for row in rows) for name in COLUMNS)


def _merged_top_values(bounds: dict[str, Any]) -> Iterator[Row]:
    for kind, rows in groupby(_stream(_TOP_VALUES, bounds), key=lambda row: row[0]):
        merged, total = TopValuesSummary.for_reading(), 0
        for _, requests, summary in rows:
            merged.merge(read_top_values(summary))
            total += requests
        yield kind, total, merged.to_bytes()


def _write(
    cursor: CursorWrapper,
    table: str,
    keys: Sequence[str],
    columns: Sequence[str],
    day: date,
    rows: Iterable[Row],
) -> int:
    """Puts these rows in the place of the day's; their number."""
    names = ("day", *keys, *columns)
    written = 0
    rest = iter(rows)
    sql = f"INSERT INTO stats_{table}daily ({', '.join(names)}) VALUES ({', '.join(['%s'] * len(names))})"  # noqa: S608
    while some := list(islice(rest, WRITTEN_AT_ONCE)):
        if not written:
            # Only now: the query that may read them has begun.
            cursor.execute(f"DELETE FROM stats_{table}daily WHERE day = %s", [day])  # noqa: S608
        cursor.executemany(sql, [(day, *row) for row in some])
        written += len(some)
    return written
