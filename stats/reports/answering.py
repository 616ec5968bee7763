"""Which of the two paths answers a report, and what happens if it can't.

The chosen one is asked first (`stats.read_from`). If it fails, or has nothing of that time, the other one
answers; the answer says who did, and why.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from django.db import Error, connections

from gateway.conf import conf
from legacy_collector.database import CollectorRefused
from stats import read_from
from stats.errors import one_line
from stats.reports import comparing
from stats.reports.errors import InvalidFilter, ReportTimedOut
from stats.reports.period import Range
from stats.reports.shapes import DataSource, Overview, RouteReport, Routes, TimeSeries

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer", Overview, RouteReport, Routes, TimeSeries)

FAILURES = (Error, OSError, ReportTimedOut, CollectorRefused)


@dataclass(frozen=True)
class Question(Generic[Answer]):
    """A report that both paths can answer, over any range of whole hours.

    `legacy` raises InvalidFilter for what the collector does not know.
    """

    report: str
    period: Range
    queue: Callable[[Range], Answer]
    legacy: Callable[[Range], Answer]

    def ask(self, source: DataSource) -> Answer:
        return (self.queue if source == "queue" else self.legacy)(self.period)


def answer(question: Question[Answer], reader: str) -> Answer:
    """The chosen path's answer, or else the other's. Raises what the chosen path raised if neither has one.

    Raises InvalidFilter, ReportTimedOut, CollectorRefused, django.db.Error.
    """
    if connections[conf.database].in_atomic_block:
        # In somebody else's transaction: what fails there fails for all of it, and all of it is of one path.
        return question.queue(question.period)
    choice = read_from.in_force()
    chosen = choice.source_of(reader)
    try:
        found = question.ask(chosen)
    except InvalidFilter:
        if chosen == "queue":
            raise
        return replace(question.ask("queue"), data_source_reason="other_unable")
    except FAILURES as failure:
        logger.warning("%s: the %s path failed: %s", question.report, chosen, one_line(failure))
        return _of_the_other(question, chosen, failure)
    if found.is_empty:
        return _unless_the_other_has_more(question, chosen, found)
    comparing.consider(question, chosen, choice.compared_percent)
    return found


def _of_the_other(question: Question[Answer], chosen: DataSource, failure: Exception) -> Answer:
    try:
        found = question.ask(_other(chosen))
    except FAILURES as second:
        logger.warning("%s: and so did the other: %s", question.report, one_line(second))
        raise failure from None
    if found.is_empty:  # it may know nothing of that time: no answer is better than zeros
        raise failure
    return replace(found, data_source_reason="other_failed")


def _unless_the_other_has_more(question: Question[Answer], chosen: DataSource, empty: Answer) -> Answer:
    try:
        found = question.ask(_other(chosen))
    except FAILURES as failure:
        logger.warning("%s: nor can the other be asked: %s", question.report, one_line(failure))
        return empty
    return empty if found.is_empty else replace(found, data_source_reason="other_empty")


def _other(source: DataSource) -> DataSource:
    return "legacy" if source == "queue" else "queue"
