"""A day's events out of the database.

One short transaction seals the day and detaches its partition; nobody else sees the one without the other.
Detaching takes ACCESS EXCLUSIVE on the event table for an instant, and while it waits for that lock all
others wait behind it: so it waits half a second at most, and tries again after a pause. The detached
table is nobody's any more and is dropped afterwards; one that a killed run left is found by its name.
"""

from __future__ import annotations

import logging
from datetime import date
from typing import Any

from django.db import connections, transaction

from gateway.conf import conf
from stats import partitions
from stats.archive import Changed, verify_day
from stats.archive.patience import LOCK_TIMEOUT, patiently
from stats.archive.tables import COMING, LEAVING, drop, has_partition, leaving_name, leftovers
from stats.archive.verifying import Progress
from stats.models import TrafficDay
from stats.partitions import partition_name

logger = logging.getLogger(__name__)

VACUUM_TIMEOUT = "3s"

_SEAL = """
UPDATE stats_trafficday SET sealed_at = now() WHERE day = %s AND version = %s AND sealed_at IS NULL
"""


def drop_day(day: TrafficDay, on_progress: Progress = lambda events: None) -> None:
    """Drops a day's events, which must be archived as they are now (unless ARCHIVE_EVENTS is off).

    Raises NotArchived, Changed, Mismatch, ShelfUnavailable, Busy, django.db.Error; the day is then as it
    was.
    """
    with_events = has_partition(day.day)
    if with_events and conf.archive_events:
        verify_day(day, on_progress)
    patiently(lambda: _seal(day, with_events), f"{day}: not dropped")
    partitions.forget([day.day])
    if with_events:
        drop(leaving_name(day.day))
    logger.info("Day dropped: %s", day)


def drop_leftovers() -> list[str]:
    """Drops what killed runs have detached, or begun to restore. Raises django.db.Error."""
    tables = [*leftovers(LEAVING), *leftovers(COMING)]
    for table in tables:
        drop(table)
        logger.info("Leftover table dropped: %s", table)
    return tables


def drop_empty(day: date) -> bool:
    """Drops a partition in which there is nothing; False if there is. Raises Busy, django.db.Error."""
    if _has_rows(day):
        return False
    patiently(lambda: _detach_empty(day), f"{day:%Y-%m-%d}: empty partition not dropped")
    partitions.forget([day])
    return not has_partition(day)


def _seal(day: TrafficDay, with_events: bool) -> None:
    """The locks in the consumer's order, the day's row before the events, so neither waits for ever."""
    with transaction.atomic(using=conf.database), connections[conf.database].cursor() as cursor:
        if with_events:
            _outwait_vacuum(cursor, partition_name(day.day))
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        cursor.execute(_SEAL, [day.day, day.version])
        if not cursor.rowcount:
            raise Changed(f"{day}: something arrived meanwhile, so it is not dropped yet")
        if with_events:
            name = partition_name(day.day)
            cursor.execute(f"ALTER TABLE stats_event DETACH PARTITION {name}")
            cursor.execute(f"ALTER TABLE {name} RENAME TO {leaving_name(day.day)}")


def _outwait_vacuum(cursor: Any, name: str) -> None:
    """Nobody but an autovacuum minds this lock, and that gives way to who has waited for a second."""
    cursor.execute("SELECT set_config('lock_timeout', %s, true)", [VACUUM_TIMEOUT])
    cursor.execute(f"LOCK TABLE {name} IN SHARE UPDATE EXCLUSIVE MODE")


def _detach_empty(day: date) -> None:
    name = partition_name(day)
    with transaction.atomic(using=conf.database), connections[conf.database].cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        cursor.execute(f"ALTER TABLE stats_event DETACH PARTITION {name}")
        cursor.execute(f"SELECT EXISTS (SELECT FROM {name})")  # noqa: S608 - the name is made of digits
        if cursor.fetchone()[0]:  # since the lock is held: what came before it
            transaction.set_rollback(True, using=conf.database)
            return
        cursor.execute(f"DROP TABLE {name}")


def _has_rows(day: date) -> bool:
    with connections[conf.database].cursor() as cursor:
        cursor.execute(f"SELECT EXISTS (SELECT FROM {partition_name(day)})")  # noqa: S608 - digits
        return bool(cursor.fetchone()[0])
