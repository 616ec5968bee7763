"""All requests of a range."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from stats.read_from import NOBODY
from stats.reports import filters, from_events, legacy, merging, rows, spans
from stats.reports.answering import Question, answer
from stats.reports.figures import figures
from stats.reports.period import Range
from stats.reports.reading import reading
from stats.reports.shapes import Coverage, Figures, Overview


def overview(period: Range, *, method: str | None = None, reader: str = NOBODY) -> Overview:
    """Figures of `period` and of the one before. With a method: from the events, as far as they are kept.

    Raises InvalidFilter, ReportTimedOut, CollectorRefused, django.db.Error.
    """
    wanted = filters.method(method)
    wide = period.outward()
    if wanted is not None:
        return _of_events(wide, wanted)
    return answer(Question("overview", wide, _of_queue, legacy.overview), reader)


def _of_queue(period: Range) -> Overview:
    with reading() as cursor:
        current, before = _of_rollups(cursor, period), _of_rollups(cursor, period.previous())
    return Overview(current[0], "queue", current[1], before[1], before[0])


def _of_events(period: Range, method: str) -> Overview:
    with reading() as cursor:
        current = from_events.overview(cursor, period, method)
        before = from_events.overview(cursor, period.previous(), method)
    return Overview(current[0], "queue", current[1], before[1], before[0])


def _of_rollups(cursor: CursorWrapper, period: Range) -> tuple[Coverage, Figures]:
    found = spans.split(cursor, period)
    totals = rows.totals(found)
    return found.coverage, figures(rows.counts(cursor, totals), merging.of_all(cursor, totals))
