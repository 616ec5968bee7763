"""Puts what the collector took while the queue did not into the queue, once that works, or is wanted, again.

That is what the queue refused, and what was collected in mode `legacy`, if `STATS_REPLAY_LEGACY`. While
`legacy` is in force, all of it waits, unless somebody asks for it by `replay_fallback`. An event is marked as
replayed only after the queue has committed it. A crash between the two, and a second replay at the same time,
put it there twice, which its id makes harmless.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import Error
from django_q.tasks import async_task

from gateway import modes, queue
from gateway.conf import conf
from legacy_collector.collector import pending
from legacy_collector.database import CollectorRefused, reading, writing
from legacy_collector.models import ONLY_LEGACY, CollectedEvent
from legacy_collector.retention import expire

logger = logging.getLogger(__name__)

EVENTS = 1_000  # one hand-over to the queue
SLICE_SECONDS = 0.4  # of one task; it shares the only worker with counting
EXPIRY_SECONDS = 0.1
CHAIN_SECONDS = 50.0  # the schedule starts a new chain of tasks each minute
SCHEDULED = "legacy_collector.replay.replay_scheduled"


@dataclass(slots=True)
class Outcome:
    """What became of `replay_all`: events replayed, events that wait now (None: unknown), and the refusal."""

    replayed: int = 0
    waiting: int | None = None
    error: str | None = None

    @property
    def holds(self) -> bool:
        """Whether nothing waits any more."""
        return self.error is None and self.waiting == 0


def replay(limit_seconds: float | None = None, progress: Callable[[int], None] | None = None) -> int:
    """Puts waiting events into the queue, oldest first; how many.

    Ends when none waits, or with the first hand-over that ends after `limit_seconds`. `progress` is told
    the size of each hand-over. Raises gateway.queue.QueueRefused and CollectorRefused; what is still
    marked then waits on.
    """
    until = None if limit_seconds is None else time.monotonic() + limit_seconds
    replayed = 0
    while waiting := _oldest(EVENTS):
        queue.send([payload.encode() for _, payload in waiting])
        _unmark([key for key, _ in waiting])
        replayed += len(waiting)
        if progress is not None:
            progress(len(waiting))
        # A short one was the last; what came since is left to the next call, so that this one ends.
        if len(waiting) < EVENTS or (until is not None and time.monotonic() >= until):
            break
    return replayed


def recall(limit_seconds: float | None = None) -> int:
    """Marks what only mode `legacy` collected as to be replayed; how many events.

    Ends when none is left, or with the first slice that ends after `limit_seconds`. Raises CollectorRefused.
    """
    until = None if limit_seconds is None else time.monotonic() + limit_seconds
    recalled = 0
    while keys := _only_legacy(EVENTS):
        with writing() as connection:
            rows = CollectedEvent.objects.using(connection.alias).filter(pk__in=keys, **ONLY_LEGACY)
            # In order, as `collect` locks them.
            len(rows.select_for_update().order_by("pk").values_list("pk"))
            recalled += rows.update(replay_pending=True)
        if until is not None and time.monotonic() >= until:
            break
    return recalled


def replay_all(progress: Callable[[int, int], None] | None = None) -> Outcome:
    """Replays all that waits now, and what mode `legacy` left; a refusal is part of the outcome.

    `progress` is told the size of each hand-over and how many events waited at the start.
    """
    outcome = Outcome()
    try:
        if conf.replay_legacy and modes.in_force().mode != "legacy":
            recall()
        outcome.waiting = total = pending()

        def count(events: int) -> None:
            outcome.replayed += events
            if progress is not None:
                progress(events, total)

        replay(progress=count)
    except queue.QueueRefused as refusal:
        outcome.error = f"the queue refused: {refusal}"
    except CollectorRefused as refusal:
        outcome.error = f"the legacy collector refused: {refusal}"
    try:
        outcome.waiting = pending()
    except CollectorRefused as refusal:
        outcome.waiting = None
        outcome.error = outcome.error or f"the legacy collector refused: {refusal}"
    return outcome


def replay_scheduled(until: float | None = None) -> None:
    """The django-q2 task: a slice of replay and of expiry; rings itself again while more waits.

    `until` (seconds since the epoch) ends that chain of tasks, so that chains which the schedule starts
    each minute don't pile up. A refusal is one line in the log.
    """
    until = time.time() + CHAIN_SECONDS if until is None else until
    try:
        expire(datetime.now(UTC), EXPIRY_SECONDS)
        if modes.in_force().mode == "legacy":
            return
        recalled = recall(SLICE_SECONDS) if conf.replay_legacy else 0
        if recalled:
            logger.info("Fallback recalled: %d events of mode legacy are to be replayed", recalled)
        replayed = replay(SLICE_SECONDS)
        left = pending()
        if (left or recalled) and time.time() < until:
            async_task(SCHEDULED, until, task_name="fallback replay")
    except (queue.QueueRefused, CollectorRefused, Error) as refusal:
        logger.warning("Fallback replay put off: %s", " ".join(str(refusal).split()))
        return
    if replayed:
        logger.info("Fallback replayed: %d events, %d wait", replayed, left)


def _only_legacy(limit: int) -> list[str]:
    with reading() as connection:
        rows = CollectedEvent.objects.using(connection.alias).filter(**ONLY_LEGACY)
        return list(rows.order_by("idempotent_id").values_list("idempotent_id", flat=True)[:limit])


def _oldest(limit: int) -> list[tuple[str, str]]:
    """Id and payload of events that wait."""
    with reading() as connection:
        rows = CollectedEvent.objects.using(connection.alias).filter(replay_pending=True)
        return list(rows.order_by("idempotent_id").values_list("idempotent_id", "payload")[:limit])


def _unmark(keys: Sequence[str]) -> None:
    with writing() as connection:
        rows = CollectedEvent.objects.using(connection.alias).filter(pk__in=keys)
        # In order, as `collect` locks them.
        len(rows.select_for_update().order_by("pk").values_list("pk"))
        rows.update(replay_pending=False, replayed_at=datetime.now(UTC))
