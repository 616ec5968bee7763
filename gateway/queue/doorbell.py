"""The doorbell: django-q2's task that has the worker look into the queue.

One is enough for all that waits, so it is rung only if none waits that nobody has answered yet: whoever
answers that one finds the batches, too, since that takes longer than to commit them. Should he once have
looked before, the bell beside the worker rings within a second.
"""

from __future__ import annotations

import os
from functools import lru_cache

from django_q.brokers import Broker
from django_q.tasks import async_task

from gateway.conf import conf
from gateway.statements import execute_at_once

# Whether there is a doorbell that nobody has answered yet. One parameter, the queue's name.
WAITS = "EXISTS (SELECT FROM django_q_ormq WHERE key = %s AND lock <= clock_timestamp())"

_RING = f"""
WITH rung AS (
    INSERT INTO django_q_ormq (key, payload, lock) SELECT $1::varchar, $2, clock_timestamp()
    WHERE NOT {WAITS % "$1::varchar"} RETURNING id
) SELECT count(*) FROM rung
"""  # noqa: S608  (all of it stands here)


class _Kept(Broker):
    """Has django-q2 make and sign a task, and keeps it."""

    def enqueue(self, task: str) -> str:
        self.task = task
        return "kept"


@lru_cache(maxsize=1)
def _made(consumer: str, name: str) -> str:
    """A task that no doorbell was rung with yet: to make and sign it takes longer than to queue a batch.

    Threads that ring with the same one at once make two tasks of one id, and django-q2 keeps the record of
    the later one: a record that the worker looked, no more.
    """
    kept = _Kept(name)
    async_task(consumer, task_name=name, broker=kept)
    return kept.task


os.register_at_fork(after_in_child=_made.cache_clear)


def statement() -> tuple[str, list[str | int]]:
    """What rings unless a doorbell waits. `rung` must be told of its result."""
    return _RING, [conf.queue.name, _made(conf.consumer, conf.queue.name)]


def rung(count: bytes | None) -> None:
    """How many doorbells that statement rang: one, and the next needs a task of its own, or none."""
    if count != b"0":
        _made.cache_clear()


def ring() -> None:
    """Rings unless a doorbell waits, in the caller's transaction if there is one. Raises django.db.Error."""
    rung(execute_at_once([statement()]))
