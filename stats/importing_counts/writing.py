"""Imported hours into the database, a batch of whole hours in one statement and transaction.

A row of the input stands in the place of the one before, so that a second run changes nothing. Whether the
queue path has an hour is asked in the statement that writes: it, and whoever drops hours
(`stats.imported_hours`), see each other whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import connections, transaction

from gateway.conf import conf
from gateway.statements import execute_bound
from stats.arrays import arrays, given
from stats.importing_counts.folding import Hour

ROWS = 5_000  # that a transaction writes, and an hour's more at most

_COLUMNS = ("hour", "route", "requests", "errors", "source")

# An hour is free if the queue path has nothing of it. Of a day whose hourly rows were dropped that can't be
# known. Of an hour whose routes were folded no others may stay: they are in (other) now.
_WRITE = f"""
WITH wanted AS MATERIALIZED (SELECT * FROM {given(_COLUMNS)}),
free AS MATERIALIZED (
    SELECT * FROM wanted
    WHERE NOT EXISTS (SELECT FROM stats_totalshourly AS counted WHERE counted.hour = wanted.hour)
    AND NOT EXISTS (SELECT FROM stats_trafficday
                    WHERE day = (wanted.hour AT TIME ZONE 'UTC')::date AND hours_dropped_at IS NOT NULL)),
gone AS (
    DELETE FROM stats_importedhourly AS kept
    WHERE kept.hour IN (SELECT to_timestamp(hour * 3600) FROM unnest(%s::bigint[]) AS folded (hour))
    AND kept.hour IN (SELECT hour FROM free)
    AND NOT EXISTS (SELECT FROM free WHERE free.hour = kept.hour AND free.route = kept.route)),
written AS (
    INSERT INTO stats_importedhourly AS kept (route, hour, requests, errors, source)
    SELECT route, hour, requests, errors, source FROM free ORDER BY route, hour
    ON CONFLICT (route, hour) DO UPDATE SET
        requests = excluded.requests, errors = excluded.errors, source = excluded.source, imported_at = now()
        WHERE (kept.requests, kept.errors) <> (excluded.requests, excluded.errors)
    RETURNING hour)
SELECT (SELECT count(*) FROM written), (SELECT count(DISTINCT hour) FROM written),
       (SELECT count(*) FROM free), (SELECT count(*) FROM wanted),
       (SELECT count(DISTINCT hour) FROM wanted) - (SELECT count(DISTINCT hour) FROM free)
"""  # noqa: S608 - of constants only

_IMPORTED = "SELECT count(*), count(DISTINCT hour) FROM stats_importedhourly WHERE hour >= %s AND hour < %s"
_REMOVE = """
DELETE FROM stats_importedhourly WHERE id IN (
    SELECT id FROM stats_importedhourly WHERE hour >= %s AND hour < %s ORDER BY hour DESC LIMIT %s)
"""


class Written(NamedTuple):
    """What became of the rows of a batch."""

    imported_rows: int
    imported_hours: int
    unchanged_rows: int
    skipped_rows: int  # of hours that the queue path has
    skipped_hours: int


class Removed(NamedTuple):
    """What was taken back."""

    rows: int
    hours: int


def batches(hours: Iterable[Hour]) -> Iterator[list[Hour]]:
    """Whole hours that are written together."""
    batch: list[Hour] = []
    rows = 0
    for hour in hours:
        batch.append(hour)
        rows += len(hour.rows)
        if rows >= ROWS:
            yield batch
            batch, rows = [], 0
    if batch:
        yield batch


def write(hours: Sequence[Hour], sources: Sequence[str], *, dry_run: bool) -> Written:
    """Writes them in one transaction, which a dry run takes back. Raises django.db.Error."""
    rows = [(*row.counted, sources[row.source]) for hour in hours for row in hour.rows]
    folded = [hour.hour for hour in hours if hour.folded]
    with transaction.atomic(using=conf.database):
        found = execute_bound(_WRITE, [*arrays(_COLUMNS, rows), folded])
        transaction.set_rollback(dry_run, using=conf.database)
    imported, imported_hours, free, wanted, skipped_hours = found[0]
    return Written(imported, imported_hours, free - imported, wanted - free, skipped_hours)


def remove(since: datetime, until: datetime, *, dry_run: bool) -> Removed:
    """Deletes all that was imported for these hours, in short transactions. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_IMPORTED, [since, until])
        found = Removed(*cursor.fetchone())
        while not dry_run:
            cursor.execute(_REMOVE, [since, until, ROWS])
            if cursor.rowcount < ROWS:
                break
    return found
