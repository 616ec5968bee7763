"""Files into the table they came from: a dropped day's events, without counting them again.

They are loaded into a table of their own, compared with the files, and only then become the day's
partition, in the transaction that takes the seal off. From then on the ids are known again, so what was
counted before is a duplicate, and what never was counted is counted.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from django.db import connections, transaction

from gateway.conf import conf
from stats.archive.columns import NAMES, as_rows, last_id
from stats.archive.errors import ArchiveError, Mismatch, NotArchived, NotDropped
from stats.archive.manifest import files_of, finished
from stats.archive.patience import LOCK_TIMEOUT, patiently
from stats.archive.tables import coming_name, drop
from stats.archive.verifying import Progress, read, verify_file
from stats.models import ArchivedFile, TrafficDay
from stats.partitions import bounds, partition_name

logger = logging.getLogger(__name__)

_UNSEAL = """
UPDATE stats_trafficday SET sealed_at = NULL, last_arrival_at = now()
WHERE day = %s AND sealed_at IS NOT NULL AND version = %s
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """What restoring a day did."""

    day: date
    events: int
    files: int

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "day": self.day.isoformat()}


def restore_day(day: date, on_progress: Progress = lambda events: None) -> Restored:
    """Brings a dropped day's events back and takes its seal off; statistics stay as they are.

    Raises NotDropped, NotArchived, Mismatch, ShelfUnavailable, Busy, django.db.Error; the day is then
    dropped and sealed as before.
    """
    known, files = _restorable(day)
    table = coming_name(day)
    drop(table)  # of a killed run
    try:
        _create(day, table)
        for archived in files:
            _load(archived, table, on_progress)
        _index(day, table)
        after = ""
        for archived in files:
            after = verify_file(archived, table, after, on_progress)
        patiently(lambda: _open(known, table), f"{known}: not restored")
    except BaseException:
        drop(table)
        raise
    events = sum(archived.events for archived in files)
    logger.info("Day restored: %s | Events: %d | Files: %d", known, events, len(files))
    return Restored(day, events, len(files))


def _restorable(day: date) -> tuple[TrafficDay, list[ArchivedFile]]:
    known = TrafficDay.objects.using(conf.database).filter(pk=day).first()
    if known is None or known.sealed_at is None:
        raise NotDropped(f"{day}: its events were not dropped")
    files = files_of(day)
    if not files:
        raise NotArchived(f"{day}: there is no archive of it")
    if len(finished(files, known.version)) < len(files):
        raise NotArchived(f"{day}: its archive does not hold all that was counted; events would count twice")
    return known, files


def _create(day: date, table: str) -> None:
    first, end = bounds(day)
    with connections[conf.database].cursor() as cursor:
        # The bounds as a constraint spare ATTACH the reading of all rows while it holds its lock.
        cursor.execute(
            f"CREATE TABLE {table} (LIKE stats_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS,"
            f" CONSTRAINT {table}_day CHECK (idempotent_id >= '{first}' AND idempotent_id < '{end}'))"
        )


def _load(archived: ArchivedFile, table: str, on_progress: Progress) -> None:
    with connections[conf.database].cursor() as cursor:
        after = ""
        for batch in read(archived):
            with cursor.copy(f"COPY {table} ({NAMES}) FROM STDIN") as copy:
                for row in as_rows(batch):
                    if row[0] <= after:
                        raise Mismatch(f"{archived.name}: ids are not in order at {row[0]}")
                    after = row[0]
                    copy.write_row(row)
            after = last_id(batch)
            on_progress(batch.num_rows)


def _index(day: date, table: str) -> None:
    """The indexes of a partition, so that ATTACH finds them made."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (idempotent_id)")
        cursor.execute(f"CREATE INDEX ON {table} (route, idempotent_id)")


def _open(day: TrafficDay, table: str) -> None:
    """Seal off and table in, in one transaction; the locks in the consumer's order: day, then events."""
    name, (first, end) = partition_name(day.day), bounds(day.day)
    with transaction.atomic(using=conf.database), connections[conf.database].cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        # Whoever wants to make the day's partition waits for this (stats.partitions).
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
        cursor.execute(_UNSEAL, [day.day, day.version])
        if not cursor.rowcount:
            raise ArchiveError(f"{day}: changed meanwhile")
        _remove_empty(cursor, name)
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")
        cursor.execute(
            f"ALTER TABLE stats_event ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{end}')"
        )
        cursor.execute(f"ALTER TABLE {name} DROP CONSTRAINT {table}_day")


def _remove_empty(cursor: Any, name: str) -> None:
    """A partition that somebody made for the sealed day, who had not seen the seal yet."""
    cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
    if not cursor.fetchone()[0]:
        return
    cursor.execute(f"ALTER TABLE stats_event DETACH PARTITION {name}")
    cursor.execute(f"SELECT FROM {name} LIMIT 1")
    if cursor.fetchone() is not None:
        raise ArchiveError(f"{name}: holds events of a sealed day")
    cursor.execute(f"DROP TABLE {name}")
