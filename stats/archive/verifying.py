"""Files against the rows they were made of: every row, every column, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from gateway.conf import conf
from stats.archive import shelf
from stats.archive.columns import PAGE, SCHEMA, first_id, last_id, page
from stats.archive.errors import Changed, Mismatch, NotArchived
from stats.archive.manifest import files_of, finished
from stats.models import ArchivedFile, TrafficDay
from stats.partitions import partition_name

Progress = Callable[[int], None]  # is told of events done


def verify_day(day: TrafficDay, on_progress: Progress = lambda events: None) -> int:
    """Reads all files of a day back; how many events they hold: exactly the rows of its partition.

    Raises NotArchived, Changed, Mismatch, ShelfUnavailable, django.db.Error.
    """
    files = files_of(day.day)
    table, after = partition_name(day.day), ""
    if len(finished(files, day.version)) < len(files) or (not files and page(table, after, 1).num_rows):
        raise NotArchived(f"{day}: not archived as it is now")
    with blaming_arrivals(day):
        for archived in files:
            after = verify_file(archived, table, after, on_progress)
        if page(table, after, 1).num_rows:
            raise Mismatch(f"{day}: the table holds events that the archive does not")
    return sum(archived.events for archived in files)


@contextmanager
def blaming_arrivals(day: TrafficDay) -> Iterator[None]:
    """A difference is no fault of the file if the day changed after `day` was read. Raises Changed."""
    try:
        yield
    except Mismatch as error:
        if TrafficDay.objects.using(conf.database).filter(pk=day.pk, version=day.version).exists():
            raise
        raise Changed(f"{day}: something arrived meanwhile") from error


def verify_file(
    archived: ArchivedFile, table: str, after: str, on_progress: Progress = lambda events: None
) -> str:
    """Compares a file with the rows of `table` that follow the id `after`; the last id.

    Raises Mismatch, ShelfUnavailable, django.db.Error.
    """
    for batch in read(archived):
        if not page(table, after, batch.num_rows).equals(batch):
            raise Mismatch(f"{archived.name}: does not hold what the table does, after {after or None}")
        after = last_id(batch)
        on_progress(batch.num_rows)
    return after


def read(archived: ArchivedFile) -> Iterator[pa.RecordBatch]:
    """The rows of a file, which must be those that its manifest says. Raises Mismatch, ShelfUnavailable."""
    with shelf.fetched(archived) as path:
        events, last = 0, ""
        for batch in _batches(path, archived.name):
            if not batch.num_rows:
                continue
            if not events and first_id(batch) != archived.first_id:
                raise Mismatch(f"{archived.name}: does not begin with {archived.first_id}")
            events, last = events + batch.num_rows, last_id(batch)
            yield batch
        if (events, last) != (archived.events, archived.last_id):
            raise Mismatch(f"{archived.name}: {events} events to {last}, not as the manifest says")


def _batches(path: Path, name: str) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            if not file.schema_arrow.equals(SCHEMA):
                raise Mismatch(f"{name}: has other columns")
            yield from file.iter_batches(batch_size=PAGE)
    except (pa.ArrowInvalid, OSError) as error:
        raise Mismatch(f"{name}: can't be read: {error}") from error
