"""The most frequent clients, user agents, countries, methods and statuses."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from stats.estimators import top_values as estimated
from stats.reports import filters, rows, spans
from stats.reports.period import Range
from stats.reports.reading import reading, stream
from stats.reports.shapes import TopValue, TopValues

logger = logging.getLogger(__name__)

OTHER = "(other)"


def top_values(kind: str, period: Range, *, limit: int = 10) -> TopValues:
    """Values of one kind, the most frequent first.

    Counts are bounded estimates where more values came than a summary keeps. Raises InvalidFilter,
    ReportTimedOut, django.db.Error.
    """
    filters.one_of("kind", kind, filters.KINDS)
    filters.limit(limit)
    with reading() as cursor:
        found = spans.split(cursor, period)
        relation = rows.of_kind(found, kind)
        total, summary = _merged(f"SELECT requests, summary FROM {relation.sql}", relation.parameters)  # noqa: S608
    missed = max(0, total - summary.total)  # requests of a row whose summary was lost: may be anybody's
    values = tuple(
        _value(each.value, each.lower, each.lower, each.upper + missed, total) for each in summary.top(limit)
    )
    return TopValues(
        coverage=found.coverage,
        data_source="queue",
        kind=kind,
        is_order_estimated=not all(value.is_exact for value in values),
        total=total,
        rows=values,
        other=_rest(values, total),
    )


def _merged(sql: str, parameters: Sequence[Any]) -> tuple[int, estimated.TopValuesSummary]:
    """The rows' requests, and their summaries in one."""
    total, summary = 0, estimated.TopValuesSummary.for_reading()
    for requests, stored in stream(sql, parameters):
        total += requests
        try:
            summary.merge(estimated.TopValuesSummary.from_bytes(bytes(stored)))
        except ValueError as error:
            logger.error("A rollup's top values can't be read: %s", error)
    return total, summary


def _rest(values: Sequence[TopValue], total: int) -> TopValue | None:
    """What the values leave of the total; None if that is nothing for certain."""
    upper = total - sum(value.lower for value in values)
    if upper <= 0:
        return None
    lower = max(0, total - sum(value.upper for value in values))
    return _value(OTHER, upper, lower, upper, total)


def _value(value: str, requests: int, lower: int, upper: int, total: int) -> TopValue:
    share = requests / total if total else 0.0
    return TopValue(value, requests, lower, upper, lower == upper, share)
