"""A worker knows what became of the one before it in its cluster, also of one that was killed."""

from __future__ import annotations

import os
import signal

from django_q.conf import Conf

from gateway.starts import Cause, Start
from stats.lineage import Lineage


def worker(lineage: Lineage, tasks: int) -> int:
    """A forked process that takes its place, begins so many tasks and is killed; its id."""
    pid = os.fork()
    if not pid:
        lineage.succeed()
        for _ in range(tasks):
            lineage.count_task()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    return pid


def test_the_first_worker_comes_after_nobody():
    assert Lineage().succeed() is None


def test_a_killed_worker_ended_unexpectedly():
    lineage = Lineage()
    pid = worker(lineage, tasks=7)
    assert lineage.succeed() == Start(Cause.ENDED, f"worker process {pid} was gone after 7 tasks")


def test_a_worker_that_had_done_its_share_was_recycled():
    lineage = Lineage()
    worker(lineage, tasks=Conf.RECYCLE)
    assert lineage.succeed() == Start(Cause.RECYCLED)


def test_each_worker_begins_its_own_count():
    lineage = Lineage()
    worker(lineage, tasks=Conf.RECYCLE)
    pid = worker(lineage, tasks=1)
    assert lineage.succeed() == Start(Cause.ENDED, f"worker process {pid} was gone after 1 tasks")
