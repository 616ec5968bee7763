"""The producer's side: events become batches, in one transaction with their doorbell."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from django.db import Error, connections

from gateway.conf import conf
from gateway.events import TrafficEvent, encode_batch, encode_events
from gateway.queue import doorbell
from gateway.queue.transactions import limits
from gateway.statements import Parameter, execute_at_once

_Item = TypeVar("_Item")
Batch = tuple[bytes | str, int]  # its payload, which is a text, and the number of its events

ROWS_AT_ONCE = 1000  # of a statement


class QueueRefused(Exception):
    """The queue did not take the events, or did not say so in time. Sending them again is safe."""


def send_events(events: Sequence[TrafficEvent]) -> int:
    """Queues events and rings, in one transaction; the number of batches.

    Raises QueueRefused when PostgreSQL can't be reached, refuses or takes longer than
    `TRAFFIC_SEND_TIMEOUT`. A connection that broke while it lay idle is replaced once.
    """
    return _send(events, encode_events)


def send(events: Sequence[bytes]) -> int:
    """The same with events that are encoded already."""
    return _send(events, encode_batch)


def _send(events: Sequence[_Item], encoded: Callable[[Sequence[_Item]], bytes]) -> int:
    batches = [(encoded(batch), len(batch)) for batch in _chunks(events, conf.queue.max_batch_size)]
    _hand_over(batches)
    return len(batches)


def send_unreadable(payloads: Sequence[bytes]) -> None:
    """Queues what is no event, each as a batch of its own, for the consumer to bury. Raises QueueRefused."""
    texts = [payload.decode("utf-8", "backslashreplace").replace("\x00", "\\x00") for payload in payloads]
    _hand_over([(text, 1) for text in texts])


def _hand_over(batches: Sequence[Batch]) -> None:
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


def _enqueue_in_time(batches: Sequence[Batch]) -> None:
    # The server's own bound is the shorter one: its answer says more than a connection that is cut.
    _enqueue(batches, [(limits(conf.send_timeout * 0.9), [])], conf.send_timeout)


def enqueue(batches: Sequence[Batch]) -> None:
    """Queues whole payloads, each with its number of events, and rings unless a doorbell waits; in the
    caller's transaction, if there is one.

    Raises django.db.Error.
    """
    _enqueue(batches, [])


def _enqueue(
    batches: Sequence[Batch],
    before: Sequence[tuple[str, Sequence[Parameter]]],
    seconds: float | None = None,
) -> None:
    rows = [_rows(some) for some in _chunks(batches, ROWS_AT_ONCE)]
    execute_at_once([*before, *rows, doorbell.statement()], seconds)


def _rows(batches: Sequence[Batch]) -> tuple[str, list[Parameter]]:
    # Rows of parameters, not arrays: an array's text is escaped character by character in Python.
    numbers = range(1, 3 * len(batches), 3)
    values = ", ".join(f"(${number}, ${number + 1}, ${number + 2})" for number in numbers)
    deliveries = conf.queue.max_retries + 1
    return (
        f"INSERT INTO gateway_queuedbatch (payload, events, max_deliveries) VALUES {values}",  # noqa: S608
        [value for payload, events in batches for value in (payload, events, deliveries)],
    )


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
