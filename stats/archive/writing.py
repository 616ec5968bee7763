"""A day's rows into files of bounded size.

Rows are read in pages, without a transaction around them: events are only ever added, and whoever adds
one raises the day's version. So if the version is the same before and after, the pages are the day.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db.models.functions import Now

from gateway.conf import conf
from stats.archive import shelf
from stats.archive.columns import SCHEMA, first_id, last_id, pages
from stats.archive.errors import Changed
from stats.archive.manifest import file_name, files_of, finished, is_archived
from stats.archive.verifying import Progress, blaming_arrivals, verify_file
from stats.models import ArchivedFile, TrafficDay
from stats.partitions import partition_name

logger = logging.getLogger(__name__)

GROUP_PAGES = 4  # pages in a row group, which the writer holds in memory: 20,000 rows
COMPRESSION = {"compression": "zstd", "compression_level": 3}


@dataclass(frozen=True, slots=True)
class Archived:
    """What archiving a day did."""

    day: date
    events: int  # in its files
    files: int
    bytes: int
    written: int  # files of this run; the others were there
    complete: bool  # False: something arrived meanwhile, so it is to be archived again

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "day": self.day.isoformat()}


def archive_day(day: TrafficDay, on_progress: Progress = lambda events: None) -> Archived:
    """Writes what is missing of a day's archive, and reads each file back.

    Goes on where a killed run stopped. Raises Mismatch, ShelfUnavailable, django.db.Error.
    """
    files = _kept(finished(files_of(day.day), day.version))
    before = len(files)
    with suppress(Changed), blaming_arrivals(day):
        while archived := _write_part(day, files, on_progress):
            verify_file(archived, partition_name(day.day), files[-1].last_id if files else "", on_progress)
            ArchivedFile.objects.using(conf.database).filter(pk=archived.pk).update(verified_at=Now())
            files.append(archived)
        _remove_beyond(day.day, len(files))
    written = len(files) - before
    now = TrafficDay.objects.using(conf.database).get(pk=day.day)
    complete = now.version == day.version and is_archived(now)
    result = Archived(
        day.day, sum(f.events for f in files), len(files), sum(f.bytes for f in files), written, complete
    )
    if written:
        logger.info("Day archived: %s | Events: %d | Files: %d", day, result.events, result.files)
    return result


def _kept(files: Sequence[ArchivedFile]) -> list[ArchivedFile]:
    """Those that are still there, up to the first that is not."""
    there: list[ArchivedFile] = []
    for archived in files:
        if shelf.size(archived.name) != archived.bytes:
            break
        there.append(archived)
    return there


def _write_part(day: TrafficDay, files: Sequence[ArchivedFile], on_progress: Progress) -> ArchivedFile | None:
    """The next part, without which the day is not whole; None if there are no more rows."""
    part, after = len(files) + 1, files[-1].last_id if files else ""
    name = file_name(day.day, part)
    with shelf.drafting() as folder:
        draft = folder / "part.parquet"
        span = _write_draft(draft, partition_name(day.day), after, on_progress)
        if span is None:
            return None
        values = {
            **span,
            "name": name,
            "bytes": draft.stat().st_size,
            "sha256": shelf.checksum(draft),
            "day_version": day.version,
            "written_at": Now(),
            "verified_at": None,
        }
        shelf.put(draft, name)
    objects = ArchivedFile.objects.using(conf.database)
    return objects.update_or_create(day=day.day, part=part, defaults=values)[0]


def _write_draft(draft: Path, table: str, after: str, on_progress: Progress) -> dict[str, Any] | None:
    """Writes one part's rows; their ids and how many they are. None, and no file, without rows."""
    rows = pages(table, after, conf.archive_part_events)
    group = list(islice(rows, GROUP_PAGES))
    if not group:
        return None
    first, events = first_id(group[0]), 0
    with pq.ParquetWriter(draft, SCHEMA, **COMPRESSION) as writer:
        while group:
            writer.write_table(pa.Table.from_batches(group))
            last = last_id(group[-1])
            written = sum(batch.num_rows for batch in group)
            events += written
            on_progress(written)
            group = list(islice(rows, GROUP_PAGES))
    return {"first_id": first, "last_id": last, "events": events}


def _remove_beyond(day: date, parts: int) -> None:
    """What an earlier archive of the day had more: each file before its row, so that none is forgotten."""
    for archived in ArchivedFile.objects.using(conf.database).filter(day=day, part__gt=parts):
        shelf.remove(archived.name)
        archived.delete(using=conf.database)
