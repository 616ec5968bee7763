"""Where counts come from: files, or the legacy collector's own tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from gateway.events import storable
from legacy_collector import held
from stats.importing.files import STDIN, LogFile, opened
from stats.importing_counts.counts import FIELDS
from stats.importing_counts.formats import RECORDS, Record

COLLECTOR = "collector"
MAX_NAME = 255
PROGRESS_RECORDS = 5_000
HOUR = timedelta(hours=1)

OnProgress = Callable[[float], None]  # told which part of a source was read


class Source(Protocol):
    """Something that says counts."""

    @property
    def name(self) -> str:
        """What is kept with each count."""

    @property
    def unit(self) -> str:
        """What a record's number counts."""

    def records(self, on_progress: OnProgress) -> Iterator[Record]:
        """All of them."""


@dataclass(frozen=True)
class CountsFile:
    """A file, plain or gzip, in one of the formats."""

    file: LogFile
    format: str
    unit: str = "line"

    @property
    def name(self) -> str:
        name = "standard input" if self.file.name == STDIN else Path(self.file.name).name
        return storable(name, MAX_NAME)

    def records(self, on_progress: OnProgress) -> Iterator[Record]:
        """Raises Unreadable."""
        with opened(self.file) as file:
            size = max(1, self.file.path.stat().st_size)
            for number, record in enumerate(RECORDS[self.format](file)):
                if number % PROGRESS_RECORDS == 0:
                    on_progress(file.position() / size)
                yield record


@dataclass(frozen=True)
class Collector:
    """The legacy collector's hourly counts. It is asked for these hours only; None: for all it has."""

    since: datetime | None
    until: datetime
    name: str = COLLECTOR
    unit: str = "row"

    def records(self, on_progress: OnProgress) -> Iterator[Record]:
        """Raises CollectorRefused."""
        known = held.counted_span()
        if known is None:
            return
        since = max(known[0], self.since or known[0])
        until = min(known[1] + HOUR, self.until)
        for number, row in enumerate(held.counted(since, until), 1):
            if number % PROGRESS_RECORDS == 0:
                on_progress((row[1] - since) / (until - since))
            yield Record(number, dict(zip(FIELDS, row, strict=True)))
