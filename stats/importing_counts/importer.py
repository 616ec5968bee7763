"""The run: everything is read first, so that a file that can't be read imports nothing; then hour by hour."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from gateway.conf import conf
from stats.importing_counts import folding, writing
from stats.importing_counts.counts import BadCount, Count, count_of, hour_of
from stats.importing_counts.formats import Record
from stats.importing_counts.result import Result
from stats.importing_counts.sorting import Place, Sorted, sorting
from stats.importing_counts.sources import Source

OnProgress = Callable[[str, float], None]  # told what is done, and which part of it is


class Importer:
    """One run over some sources, which together say each route and hour once."""

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        dry_run: bool = False,
        on_progress: OnProgress = lambda what, part: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`since` and `until` (excluded) bound the beginnings of the hours that are imported."""
        self.result = Result(dry_run=dry_run)
        self._sources = sources
        self._since, self._until = since, until
        self._running = hour_of(now())
        self._on_progress = on_progress

    def run(self) -> Result:
        """Raises django.db.Error; before anything is written Unreadable, CollectorRefused, sqlite3.Error."""
        started = time.monotonic()
        with sorting() as counts:
            for number, source in enumerate(self._sources):
                self._read(number, source, counts)
            self._write(counts)
        self.result.seconds = round(time.monotonic() - started, 3)
        return self.result

    def _read(self, number: int, source: Source, counts: Sorted) -> None:
        for record in source.records(lambda part: self._on_progress(f"Reading {source.name}", part)):
            self.result.read += 1
            try:
                count = self._count(record)
            except BadCount as error:
                self.result.refuse(f"{self._named(Place(number, record.line))}: {error}")
                continue
            if not self._is_wanted(count):
                self.result.outside += 1
            elif first := counts.add(count, Place(number, record.line)):
                problem = f"route, hour: as in {self._named(first)}, which stands"
                self.result.refuse(f"{self._named(Place(number, record.line))}: {problem}")

    def _write(self, counts: Sorted) -> None:
        names = [source.name for source in self._sources]
        total, done = len(counts), 0
        for batch in writing.batches(folding.hours(counts, conf.routes_per_hour)):
            self.result.add(writing.write(batch, names, dry_run=self.result.dry_run))
            self.result.folded += sum(hour.folded for hour in batch)
            done += sum(len(hour.rows) + hour.folded for hour in batch)
            self._on_progress("Writing", min(1.0, done / total))

    def _count(self, record: Record) -> Count:
        if record.fields is None:
            raise BadCount(record.problem)
        return count_of(record.fields, self._running)

    def _is_wanted(self, count: Count) -> bool:
        begins = datetime.fromtimestamp(count.hour * 3600, UTC)
        return (self._since is None or begins >= self._since) and (
            self._until is None or begins < self._until
        )

    def _named(self, place: Place) -> str:
        source = self._sources[place.source]
        return f"{source.name}, {source.unit} {place.line}"
