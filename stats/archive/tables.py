"""The tables a day's events can be in: its partition, on its way out, or on its way in.

A partition that is being dropped, or filled again, has a name of its own, so that nobody takes it for the
day's partition, and so that the next run knows what a killed one left behind.
"""

from __future__ import annotations

from datetime import date, datetime

from django.db import connections

from gateway.conf import conf
from stats.partitions import partition_name

LEAVING = "stats_event_dropped_"
COMING = "stats_event_restoring_"

_PARTITIONS = """
SELECT child.relname FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'stats_event'::regclass ORDER BY child.relname
"""
_LEFTOVERS = r"""
SELECT relname FROM pg_class
WHERE relkind = 'r' AND NOT relispartition AND pg_table_is_visible(oid) AND relname ~ %s ORDER BY relname
"""


def leaving_name(day: date) -> str:
    return f"{LEAVING}{day:%Y%m%d}"


def coming_name(day: date) -> str:
    return f"{COMING}{day:%Y%m%d}"


def partitioned_days() -> list[date]:
    """The days that have a partition, oldest first. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_PARTITIONS)
        names = [row[0] for row in cursor.fetchall()]
    days = [_day(name) for name in names]
    return [day for day, name in zip(days, names, strict=True) if day and name == partition_name(day)]


def has_partition(day: date) -> bool:
    return day in partitioned_days()


def leftovers(kind: str) -> list[str]:
    """Tables that a killed run left on their way (`LEAVING` or `COMING`). Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_LEFTOVERS, [f"^{kind}[0-9]{{8}}$"])
        return [row[0] for row in cursor.fetchall()]


def last_stored_id(day: date) -> str | None:
    """The highest id of a partition; None if it is empty. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(f"SELECT max(idempotent_id) FROM {partition_name(day)}")  # noqa: S608 - digits
        return cursor.fetchone()[0]


def drop(table: str) -> None:
    """Drops a table that belongs to no other any more. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(f"DROP TABLE IF EXISTS {table}")


def _day(name: str) -> date | None:
    try:
        return datetime.strptime(name[-8:], "%Y%m%d").date()
    except ValueError:
        return None
