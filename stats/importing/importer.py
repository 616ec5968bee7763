"""The run: all files are looked at first, so that a mistake queues nothing; then line by line."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import date, timedelta

from django.db import Error, connections

from gateway.accesslog.parse import MalformedLine
from gateway.conf import conf
from gateway.idempotency import FIRST_TIMESTAMP, LAST_TIMESTAMP
from stats import days
from stats.importing import shift, sources
from stats.importing.clock import spread
from stats.importing.events import EventMaker
from stats.importing.files import LogFile, OpenLog, Unreadable, opened
from stats.importing.fingerprint import Fingerprint
from stats.importing.hand_over import DEFAULT_MAX_WAITING, HandOver, QueueAway
from stats.importing.line_format import LineFormat
from stats.importing.result import FileResult, Result
from stats.importing.sources import TOO_OLD, Source
from stats.partitions import DAY_MS
from stats.triage import FUTURE_TOLERANCE_MS

PROGRESS_LINES = 2_000
_EPOCH = date(1970, 1, 1)


class Importer:
    """One run over some files. The constructor looks at them, and raises CannotImport or Unreadable."""

    def __init__(
        self,
        files: Sequence[LogFile],
        *,
        format: LineFormat | None = None,
        target: shift.Target | None = None,
        max_waiting: int = DEFAULT_MAX_WAITING,
        sealed_days: Callable[[], set[date]] = days.sealed_days,
        on_progress: Callable[[Importer], None] = lambda importer: None,
    ) -> None:
        self.result = Result()
        self.bytes_read = 0
        self.warnings: list[str] = []
        self._on_progress = on_progress
        self._sealed_days = sealed_days
        self._sealed: set[int] = set()  # days since the epoch
        self._skipped: set[int] = set()
        self._events = EventMaker()
        self._hand_over = HandOver(max_waiting, on_wait=lambda: on_progress(self))
        self._sources = [sources.look_at(file, format) for file in files]
        self._span = sources.choose_span(self._sources, target, self.warnings)
        self.result.shift_seconds = self._span // 1000
        sources.refuse_old(self._sources, self._span)

    def run(self) -> Result:
        """Imports all files. Raises OSError if the span of a shift can't be kept."""
        started = time.monotonic()
        sources.remember_span(self._sources, self._span)
        try:
            for source in self._sources:
                self._import(source)
        except QueueAway as error:
            self.result.error = str(error)
        self.result.seconds = time.monotonic() - started
        self.result.waited_seconds = self._hand_over.waited
        self.result.sealed_days = [
            (_EPOCH + timedelta(days=day)).isoformat() for day in sorted(self._skipped)
        ]
        return self.result

    def _import(self, source: Source) -> None:
        result = FileResult(source.file.name, source.format.label)
        self.result.files.append(result)
        queued_before = self._hand_over.queued
        try:
            with opened(source.file) as log:
                self._look_for_sealed_days()
                self._read(log, source.format, result)
                self._hand_over.flush()
                self.bytes_read += log.position()
        except Unreadable as error:
            result.error = str(error)
            self._hand_over.flush()
        finally:
            result.queued = self._hand_over.queued - queued_before

    def _read(self, log: OpenLog, line_format: LineFormat, result: FileResult) -> None:
        names = Fingerprint()
        highest = _latest_countable()
        bytes_before = self.bytes_read
        for number, line in log.lines():
            name = names.name(number)
            names.add(line)
            result.lines = number
            if number % PROGRESS_LINES == 0:
                self.bytes_read = bytes_before + log.position()
                self._on_progress(self)
            try:
                entry = line_format.read(line, number)
            except MalformedLine as error:
                result.malformed_line(number, error.reason)
                continue
            timestamp = entry.moment + self._span
            if line_format.whole_seconds:
                timestamp = spread(timestamp, number)
            if timestamp > highest:  # now, or while this went on
                highest = _latest_countable()
            if not FIRST_TIMESTAMP <= timestamp <= highest:
                result.refused_line(number, TOO_OLD if timestamp < FIRST_TIMESTAMP else "in the future")
            elif timestamp // DAY_MS in self._sealed:
                result.skipped_sealed += 1
                self._skipped.add(timestamp // DAY_MS)
            elif self._hand_over.add(self._events.encoded(entry, timestamp, name)):
                self._look_for_sealed_days()
        self.bytes_read = bytes_before

    def _look_for_sealed_days(self) -> None:
        """Anew with every hand-over: a day may be sealed while an import runs.

        Where the database does not say, what it said last holds. The consumer asks again, and makes a dead
        letter of what comes too late.
        """
        try:
            self._sealed = {(day - _EPOCH).days for day in self._sealed_days()}
        except Error:
            connections[conf.database].close()


def _latest_countable() -> int:
    """The latest time that the consumer would not put off, ms since the epoch."""
    return min(LAST_TIMESTAMP, time.time_ns() // 1_000_000 + FUTURE_TOLERANCE_MS)
