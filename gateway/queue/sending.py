"""The producer's side: events become batches, in one transaction with their doorbell."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from django.db import Error, connections
from django_q.tasks import async_task

from gateway.conf import conf
from gateway.deadline import deadline
from gateway.events import encode_batch
from gateway.queue.transactions import DOORBELL_WAITS, bounded_transaction, fetch
from gateway.statements import execute_bound

_Item = TypeVar("_Item")

ROWS_AT_ONCE = 1000  # of a statement


class QueueRefused(Exception):
    """The queue did not take the events, or did not say so in time. Sending them again is safe."""


def send(events: Sequence[bytes]) -> int:
    """Queues encoded events and rings, in one transaction; the number of batches.

    Raises QueueRefused when PostgreSQL can't be reached, refuses or takes longer than
    `TRAFFIC_SEND_TIMEOUT`. A connection that broke while it lay idle is replaced once.
    """
    batches = [
        (encode_batch(batch).decode(), len(batch)) for batch in _chunks(events, conf.queue.max_batch_size)
    ]
    _hand_over(batches)
    return len(batches)


def send_unreadable(payloads: Sequence[bytes]) -> None:
    """Queues what is no event, each as a batch of its own, for the consumer to bury. Raises QueueRefused."""
    texts = [payload.decode("utf-8", "backslashreplace").replace("\x00", "\\x00") for payload in payloads]
    _hand_over([(text, 1) for text in texts])


def _hand_over(batches: Sequence[tuple[str, int]]) -> None:
    connection = connections[conf.database]
    was_open = connection.connection is not None
    tried_at = time.monotonic()
    try:
        _enqueue_in_time(batches)
    except Exception as error:
        connection.close()
        # A server that took long to fail is not asked twice: the bound holds for the whole hand-over.
        took_long = time.monotonic() - tried_at > conf.send_timeout / 4
        if took_long or not (_is_transient(error) or (was_open and _is_broken(error))):
            raise QueueRefused(_one_line(error)) from error
    else:
        return
    try:
        _enqueue_in_time(batches)
    except Exception as error:
        connection.close()
        raise QueueRefused(_one_line(error)) from error


def _enqueue_in_time(batches: Sequence[tuple[str, int]]) -> None:
    # The server's own bound is the shorter one: its answer says more than a connection that is cut.
    with (
        deadline(connections[conf.database], conf.send_timeout),
        bounded_transaction(conf.send_timeout * 0.9),
    ):
        enqueue(batches)


def enqueue(batches: Sequence[tuple[str, int]]) -> None:
    """Queues whole payloads, each with its number of events, and rings unless a doorbell waits; in the
    caller's transaction.

    Raises django.db.Error.
    """
    is_announced = False
    for some in _chunks(batches, ROWS_AT_ONCE):
        is_announced = _insert(some)
    if not is_announced:
        _ring()


def _insert(batches: Sequence[tuple[str, int]]) -> bool:
    """Whether a doorbell waits already: whoever answers it finds these batches, too.

    Should he have looked before they are committed, the bell beside the worker rings within a second.
    """
    deliveries = conf.queue.max_retries + 1
    # Rows of parameters, not arrays: an array's text is escaped character by character in Python.
    rows = execute_bound(
        "WITH queued AS (INSERT INTO gateway_queuedbatch (payload, events, max_deliveries) VALUES "  # noqa: S608
        + ", ".join(["(%s, %s, %s)"] * len(batches))
        + f") SELECT {DOORBELL_WAITS}",
        [*(value for payload, events in batches for value in (payload, events, deliveries)), conf.queue.name],
    )
    return bool(rows[0][0])


def ring() -> None:
    """Rings the doorbell, in the caller's transaction if there is one. Raises django.db.Error.

    Where one waits that nobody has answered yet, whoever answers it will find this transaction's batches,
    too, since that takes longer than to commit them. If it once does not, the bell beside the worker notices
    within a second.
    """
    if not fetch(f"SELECT {DOORBELL_WAITS}", [conf.queue.name])[0]:
        _ring()


def _ring() -> None:
    async_task(conf.consumer, task_name=conf.queue.name)


def _chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _is_transient(error: BaseException) -> bool:
    """Whether the same transaction would succeed by itself: it met a deadlock or failed to serialize."""
    return getattr(error.__cause__, "sqlstate", None) in ("40001", "40P01")


def _is_broken(error: BaseException) -> bool:
    """Whether the connection itself failed (no SQLSTATE, or the server's word that it ends it)."""
    state = getattr(error.__cause__, "sqlstate", None)
    return isinstance(error, Error) and (state is None or state.startswith(("08", "57P")))


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
