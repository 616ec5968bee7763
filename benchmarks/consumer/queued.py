"""Queues with workers of their own: each is warmed up, gets all events in one transaction, and is timed.

A queue is done with its events once it would give out none of them again: what is stored but still in the
queue comes once more if the worker dies. django-q2's workers store faster than its monitor saves results
and acknowledges tasks; with a task an event that is what bounds it, and what is stored runs ahead of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from benchmarks.database import Process, checkpoint, running
from benchmarks.plain.columns import COLUMNS
from benchmarks.traffic import Hours

WARM_UP = 200  # events, so that each process of the worker has imported and connected all that it needs
LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 20.0  # without any progress: it has stopped in the midst of its tasks
AT_ONCE = 10_000  # events that are queued by one call

PLAIN = "plain"  # the name of django-q2's queue
_COUNTED = "SELECT coalesce(sum(requests), 0)::bigint FROM plain_hourlycount WHERE hour = %s"
_COUNTED_BY_US = (
    "SELECT coalesce(sum(requests), 0)::bigint FROM stats_totalshourly WHERE hour = to_timestamp(%s / 1000)"
)

Events = Sequence[Any]


@dataclass(frozen=True, slots=True)
class Progress:
    """Statements that say how far a queue is."""

    counted: str  # events of an hour
    left: str  # batches, tasks or jobs that would be given out, now or again


OURS = Progress(_COUNTED_BY_US, "SELECT count(*) FROM gateway_queuedbatch")
DJANGO_Q2 = Progress(_COUNTED, "SELECT count(*) FROM django_q_ormq WHERE key = 'plain'")
PROCRASTINATE = Progress(
    _COUNTED, "SELECT count(*) FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"
)


def tallygate(var_dir: Path, count: int, hours: Hours) -> float:
    """The shipped worker with all its processes, threads and schedules."""
    with running(var_dir, "qcluster", DJANGO_SETTINGS_MODULE="gateway.settings") as worker:
        return _time(worker, count, hours, queue_ours, OURS)


def django_q2(var_dir: Path, count: int, together: int, options: Mapping[str, Any], hours: Hours) -> float:
    """A cluster with the library's defaults but for `options`, and a task for so many events together."""
    from django_q.tasks import async_task

    def queue(events: Events) -> None:
        for task, argument in _tasks(events, together):
            async_task(f"benchmarks.plain.tasks.{task}", argument, cluster=PLAIN)

    # The name is what tasks are signed with, so it is that of the process that queues them.
    cluster = {"name": settings.Q_CLUSTER["name"], "cluster_name": PLAIN, "orm": "default", **options}
    with running(var_dir, "qcluster", **_plain(PLAIN_Q_CLUSTER=json.dumps(cluster))) as worker:
        return _time(worker, count, hours, queue, DJANGO_Q2)


def procrastinate(var_dir: Path, count: int, together: int, hours: Hours) -> float:
    """A worker with the library's defaults, and a job for so many events together."""
    from benchmarks.plain import tasks

    def queue(events: Events) -> None:
        if together == 1:
            tasks.store_one_job.batch_defer(*({"event": event} for _, event in _tasks(events, 1)))
        else:
            tasks.store_many_job.batch_defer(*({"events": some} for _, some in _tasks(events, together)))

    with running(var_dir, "procrastinate", "worker", **_plain()) as worker:
        return _time(worker, count, hours, queue, PROCRASTINATE)


def queue_ours(events: Events) -> None:
    """As the sender does, then what is dirty is written."""
    from gateway import queue

    for start in range(0, len(events), AT_ONCE):
        queue.send_events(events[start : start + AT_ONCE])


def _plain(**extra: str) -> dict[str, str]:
    return {"DJANGO_SETTINGS_MODULE": "benchmarks.plain.settings", "SECRET_KEY": settings.SECRET_KEY, **extra}


def _tasks(events: Events, together: int) -> Iterator[tuple[str, Any]]:
    """The name of the task, and its argument."""
    plain = [{name: getattr(event, name) for name in COLUMNS} for event in events]
    if together == 1:
        yield from (("store_one", event) for event in plain)
    else:
        yield from (
            ("store_many", plain[start : start + together]) for start in range(0, len(plain), together)
        )


def _time(
    worker: Process, count: int, hours: Hours, queue: Callable[[Events], None], progress: Progress
) -> float:
    """Events a second from the moment that all are queued, and none of them was before, to the end."""
    started = 0.0
    for size in (min(WARM_UP, count // 2), count):
        hour, events = hours.take(size)
        checkpoint()
        with transaction.atomic():
            queue(events)
        started = time.perf_counter()
        _await(worker, progress, hour, size)
    return count / (time.perf_counter() - started)


def _await(worker: Process, progress: Progress, hour: int, size: int) -> None:
    seen, ends_at = (0, 0), time.monotonic() + PATIENCE_SECONDS
    with connection.cursor() as cursor:
        while True:
            # Sums of an hour are few rows, and change in the transaction that stores the events.
            cursor.execute(f"SELECT ({progress.counted}), ({progress.left})", [hour])
            before, seen = seen, cursor.fetchone()
            counted, left = seen
            if counted >= size and not left:
                return
            worker.check()
            if seen != before:
                ends_at = time.monotonic() + PATIENCE_SECONDS
            elif time.monotonic() > ends_at:
                said = worker.log.read_text()[-500:]
                what = f"{counted} of {size} stored, {left} left in the queue"
                raise TimeoutError(f"{what}, no progress for {PATIENCE_SECONDS:.0f} s: {said}")
            time.sleep(LOOK_SECONDS)
