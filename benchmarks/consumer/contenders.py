"""What is measured: each is given hours of events and returns how many a second it stored and counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import consumer
from benchmarks.consumer import direct, queued
from benchmarks.traffic import Hours

Contender = Callable[[Hours], float]


def contenders(var_dir: Path, events: int) -> dict[str, Contender]:
    """By name, in the order in which they take their turns."""
    # As many as django-q2 keeps successes by default, since each of these costs the next task.
    few, many = max(250, events // 300), events // 2
    return {
        **of_this_process(events),
        "Tallygate, its whole worker": partial(queued.tallygate, var_dir, events),
        consumer.BATCHES: partial(queued.django_q2, var_dir, many, 100, {"save_limit": -1}),
        "procrastinate, a job 100 events": partial(queued.procrastinate, var_dir, many, 100),
        "procrastinate, a job an event": partial(queued.procrastinate, var_dir, few, 1),
        consumer.UNSAVED: partial(queued.django_q2, var_dir, few, 1, {"save_limit": -1}),
        consumer.STOCK: partial(queued.django_q2, var_dir, few, 1, {}),
    }


def of_this_process(events: int) -> dict[str, Contender]:
    """Those without a worker of their own."""
    return {
        consumer.OURS: partial(ours, events),
        consumer.LIMIT: partial(direct.copy, events),
        "no queue: unnest, ON CONFLICT, upsert, commits of 1,000": partial(direct.unnest, events // 2),
    }


def ours(count: int, hours: Hours) -> float:
    """The shipped consumer, called in this process as its task calls it."""
    from stats.consumer import drain

    _, events = hours.take(count)
    queued.queue_ours(events)
    del events  # or each search for garbage would look through them
    inserted = 0
    started = time.perf_counter()
    while inserted < count:
        totals = drain()
        assert not totals.dead
        inserted += totals.inserted
    return count / (time.perf_counter() - started)
