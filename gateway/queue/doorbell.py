"""The doorbell: django-q2's task that has the worker look into the queue.

One is enough for all that waits, so it is rung only if none waits that nobody has answered yet: whoever
answers that one finds the batches, too, since that takes longer than to commit them. Should he once have
looked before, the bell beside the worker rings within a second.
"""

from __future__ import annotations

import os
from functools import lru_cache
from time import monotonic

from django_q.brokers import Broker
from django_q.tasks import async_task

from gateway.conf import conf
from gateway.statements import Parameter, execute_at_once

# Whether there is a doorbell that nobody has answered yet. One parameter, the queue's name.
WAITS = "EXISTS (SELECT FROM django_q_ormq WHERE key = %s AND lock <= clock_timestamp())"

_RING = f"""
INSERT INTO django_q_ormq (key, payload, lock) SELECT $1::varchar, $2, clock_timestamp()
WHERE NOT {WAITS % "$1::varchar"}
"""

TASK_SECONDS = 10.0  # for which a task is rung with again


class _Kept(Broker):
    """Has django-q2 make and sign a task, and keeps it."""

    def enqueue(self, task: str) -> str:
        self.task = task
        return "kept"


@lru_cache(maxsize=1)
def _made(consumer: str, name: str, period: int) -> str:
    """The task of these seconds: to make and sign it takes longer than to queue a batch.

    Doorbells that were rung with the same one are tasks of one id. All that django-q2 does with the id is to
    keep the record of a task that failed: of several, one.
    """
    kept = _Kept(name)
    async_task(consumer, task_name=name, broker=kept)
    return kept.task


os.register_at_fork(after_in_child=_made.cache_clear)


def statement() -> tuple[str, list[Parameter]]:
    """What rings unless a doorbell waits."""
    period = int(monotonic() / TASK_SECONDS)
    return _RING, [conf.queue.name, _made(conf.consumer, conf.queue.name, period)]


def ring() -> None:
    """Rings unless a doorbell waits, in the caller's transaction if there is one. Raises django.db.Error."""
    execute_at_once([statement()])
