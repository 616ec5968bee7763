"""All requests of a range."""

from __future__ import annotations

from django.db.backends.utils import CursorWrapper

from stats.reports import filters, from_events, legacy, merging, rows, spans
from stats.reports.figures import figures
from stats.reports.period import Range
from stats.reports.reading import reading
from stats.reports.shapes import Coverage, Figures, Overview


def overview(period: Range, *, method: str | None = None) -> Overview:
    """Figures of `period` and of the one before. With a method: from the events, as far as they are kept.

    Raises InvalidFilter, ReportTimedOut, django.db.Error.
    """
    wanted = filters.method(method)
    wide = period.outward()
    with reading() as cursor:
        if wanted is None:
            current, before = _of_rollups(cursor, wide), _of_rollups(cursor, wide.previous())
        else:
            current = from_events.overview(cursor, wide, wanted)
            before = from_events.overview(cursor, wide.previous(), wanted)
        has_found = current[1].requests or before[1].requests
        if wanted is None and not has_found and legacy.answers(cursor):
            return legacy.overview(wide)
    return Overview(current[0], "queue", current[1], before[1], before[0])


def _of_rollups(cursor: CursorWrapper, period: Range) -> tuple[Coverage, Figures]:
    found = spans.split(cursor, period)
    totals = rows.totals(found)
    return found.coverage, figures(rows.counts(cursor, totals), merging.of_all(cursor, totals))
