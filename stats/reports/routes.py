"""The routes of a range, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from django.db.backends.utils import CursorWrapper

from stats.read_from import NOBODY
from stats.reports import filters, legacy, merging, method_routes, ranking, rows, spans
from stats.reports.answering import Question, answer
from stats.reports.errors import InvalidFilter
from stats.reports.figures import Counts, Merged, figures
from stats.reports.kinds import kind_of
from stats.reports.pages import Page
from stats.reports.period import Range
from stats.reports.ranking import Choice, Ranked
from stats.reports.reading import SECONDS, reading
from stats.reports.shapes import RouteRow, Routes
from stats.reports.spans import Spans
from stats.reports.threshold import highest


def routes(
    period: Range,
    *,
    sort: str = "requests",
    search: str = "",
    status_class: str | None = None,
    method: str | None = None,
    limit: int = 20,
    offset: int = 0,
    reader: str = NOBODY,
) -> Routes:
    """A page of routes, the highest first.

    Sorted by requests, errors, error_rate, p95 or clients. `search` is a part of the route, in any case.
    A status class leaves routes that had such requests, and `requests` then sorts by those. With a method:
    from the events, as far as they are kept. Raises InvalidFilter, ReportTimedOut, CollectorRefused,
    django.db.Error.
    """
    page = Page(sort, limit, offset)
    filters.text("search", search, filters.MAX_ROUTE)
    digit, wanted = filters.status_class(status_class), filters.method(method)
    wide = period.outward()
    if wanted is not None:
        with reading() as cursor:
            return method_routes.read(cursor, wide, page, search, digit, wanted)
    return answer(
        Question(
            "routes",
            wide,
            lambda period: _of_queue(period, page, search, digit),
            lambda period: _of_collector(period, page, search, digit),
        ),
        reader,
    )


def _of_queue(period: Range, page: Page, search: str, digit: int | None) -> Routes:
    with reading() as cursor:
        choice = Choice(spans.split(cursor, period), search, digit)
        found, total = _ranked(cursor, choice, page)
        counts, merged = _known(cursor, choice.spans, [ranked.route for ranked in found])
    rows = (_row(ranked, counts[ranked.route], merged.get(ranked.route, Merged())) for ranked in found)
    is_estimated = page.sort in ranking.BOUNDS
    return page.of(rows, total, choice.spans.coverage, is_order_estimated=is_estimated)


def _of_collector(period: Range, page: Page, search: str, digit: int | None) -> Routes:
    found = legacy.routes(period, page, search)
    if digit is not None and not found.is_empty:
        raise InvalidFilter("status_class", "is not known to the legacy collector, which answers here")
    return found


def _ranked(cursor: CursorWrapper, choice: Choice, page: Page) -> tuple[list[Ranked], int]:
    """The routes of the page, and how many there are in all."""
    if page.sort not in ranking.BOUNDS:
        return ranking.page(cursor, choice, page.sort, page.limit, page.offset)
    values = partial(_values, VALUES[page.sort], cursor, choice.spans)
    candidates = ranking.by_bound(choice, page.sort)
    found = highest(candidates, values, page.offset + page.limit, SECONDS)
    return found[page.offset :], ranking.total(cursor, choice)


def _known(
    cursor: CursorWrapper, spans: Spans, names: Sequence[str]
) -> tuple[dict[str, Counts], dict[str, Merged]]:
    """All that the rows of some routes say."""
    relation = rows.of_named_routes(spans, names)
    cursor.execute(f"SELECT route, {rows.COUNTS} FROM {relation.sql} GROUP BY route", relation.parameters)  # noqa: S608
    counts = {row[0]: Counts.of_row(row[1:]) for row in cursor.fetchall()}
    return counts, merging.of_groups(cursor, relation, merging.ROUTE)


def _values(
    value: Callable[[Merged], float], cursor: CursorWrapper, spans: Spans, names: Sequence[str]
) -> dict[str, float]:
    merged = merging.of_groups(cursor, rows.of_named_routes(spans, names), merging.ROUTE)
    return {name: value(found) for name, found in merged.items()}


def _row(ranked: Ranked, counts: Counts, merged: Merged) -> RouteRow:
    return RouteRow(ranked.route, kind_of(ranked.route), ranked.matching, figures(counts, merged))


VALUES: Mapping[str, Callable[[Merged], float]] = {
    "p95": lambda merged: merged.p95 or 0.0,
    "clients": lambda merged: merged.distinct().estimate,
}
