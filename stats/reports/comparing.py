"""Answers of one path compared with the other's, in the background: the shadow of a read.

Of the hours of the range that are over and were counted in mode `dual` as a whole, the last ones without a
gap are asked of both paths anew; then nothing that is still on its way can differ. One thread a process does
it, one comparison at a time and a second; answers that come meanwhile are not compared. Nobody waits for it.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, Full, Queue
from typing import Any, Protocol

from django.db import connections

from gateway import modes
from gateway.conf import conf
from stats.errors import one_line
from stats.models import ReadComparison
from stats.reports.differing import differing, said, share_of
from stats.reports.period import Range
from stats.reports.shapes import DataSource
from stats.settled import HOUR, SETTLE, hour_of, mode_of, settled

logger = logging.getLogger(__name__)

PAUSE = 1.0  # seconds between two comparisons
IDLE_SECONDS = 30.0  # without work the thread ends
LISTED = 20


class Question(Protocol):
    """What `stats.reports.answering` asks."""

    @property
    def report(self) -> str: ...
    @property
    def period(self) -> Range: ...
    def queue(self, period: Range) -> Any: ...
    def legacy(self, period: Range) -> Any: ...


class Comparer:
    """The thread and what waits for it. A forked child begins with none."""

    def __init__(self) -> None:
        self._waiting: Queue[tuple[Question, DataSource]] = Queue(maxsize=1)
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def offer(self, question: Question, served: DataSource) -> None:
        """Compares it soon, unless another one waits."""
        with suppress(Full):
            self._waiting.put_nowait((question, served))
        # Looked at in any case: the last one may have ended while something came to wait.
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="tallygate-comparer", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                question, served = self._waiting.get(timeout=IDLE_SECONDS)
            except Empty:
                return
            _compare_safely(question, served)
            time.sleep(PAUSE)


def consider(question: Question, served: DataSource, percent: float) -> None:
    """Has a share of the answers compared. Never raises, never waits."""
    if percent and random.random() * 100 < percent:  # noqa: S311 (any will do)
        _comparer.offer(question, served)


def _compare_safely(question: Question, served: DataSource) -> None:
    try:
        compare(question, served)
    except Exception as error:  # noqa: BLE001  (nobody asked for it)
        logger.warning("%s: not compared: %s", question.report, one_line(error))
    finally:
        for alias in {conf.database, conf.legacy_database}:
            connections[alias].close()


def compare(question: Question, served: DataSource) -> ReadComparison | None:
    """Asks both paths and keeps what came of it; None if there is no hour to compare.

    Raises what the paths raise, and django.db.Error.
    """
    period = comparable(question.period, datetime.now(UTC))
    if period is None:
        return None
    queue, collector = said(question.queue(period)), said(question.legacy(period))
    wrong = differing(queue, collector)
    made = ReadComparison.objects.using(conf.database).create(
        report=question.report,
        since=period.start,
        until=period.end,
        served=served,
        queue_requests=queue.requests,
        collector_requests=collector.requests,
        difference=share_of(wrong, queue, collector),
        differing=[[name, *queue.of(name), *collector.of(name)] for name in wrong[:LISTED]],
    )
    log = logger.warning if wrong else logger.info
    log("Compared: %s | Difference: %.3f%% | Differing: %d", made, 100 * made.difference, len(wrong))
    return made


def comparable(period: Range, now: datetime) -> Range | None:
    """The last hours of the range without a gap that both paths had to count alike.

    Raises django.db.Error.
    """
    since, until = hour_of(period.start), min(hour_of(period.end), hour_of(now - SETTLE))
    if since >= until:
        return None
    spans = settled(modes.spans(since, until))
    end = until
    while end > since and not _is_dual(end, spans):
        end -= HOUR
    start = end
    while start > since and _is_dual(start, spans):
        start -= HOUR
    return Range(start, end, period.zone) if start < end else None


def _is_dual(end: datetime, spans: list[modes.Span]) -> bool:
    """Whether the hour that ends then was."""
    in_force = mode_of(end - HOUR, spans)
    return in_force is not None and in_force.mode == "dual"


_comparer = Comparer()


def _begin_anew() -> None:
    global _comparer
    _comparer = Comparer()


os.register_at_fork(after_in_child=_begin_anew)
