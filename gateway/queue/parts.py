"""Batches that become other batches: halves of one that fails, and what of one must wait."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gateway.conf import conf
from gateway.events import encode_batch
from gateway.queue.deliveries import Claimed, finish
from gateway.queue.transactions import execute

MAX_BATCH_BYTES = 4_000_000  # twice what a hundred of the largest valid events take
STATEMENT_PARTS = 20  # parts that one statement inserts, so that it stays small, too


def fits(events: Sequence[bytes]) -> bool:
    """Whether these are no more than a sender puts into one batch, or a lone event.

    Only what fits is sure to be stored within a transaction's time. What does not, whoever wrote it, could
    run into the time-out on each delivery, be given back each time, since a time-out is the environment's
    fault, and never end. So it is taken apart before it is tried, and no time-out ever needs to be held
    against a batch.
    """
    return len(list(_as_sent(events))) <= 1


def surely_fits(count: int, payload: str) -> bool:
    """Whether `fits` would say so of the `count` events in `payload`, told without taking it apart.

    False where that can't be told so cheaply.
    """
    at_most_bytes = 4 * len(payload)  # of UTF-8
    return count <= conf.queue.max_batch_size and at_most_bytes <= MAX_BATCH_BYTES


def halve(claimed: Claimed, events: Sequence[bytes], error: str) -> None:
    """Replaces the batch by its two halves, each to be delivered once more; in the caller's transaction."""
    middle = len(events) // 2
    finish([claimed])
    halves = [events[:middle], events[middle:]]
    _insert(claimed, halves, error, deliveries=claimed.deliveries, more=1)


def put_off(claimed: Claimed, events: Sequence[bytes], reason: str, delay: float) -> None:
    """Queues some of the batch's events anew, in batches that fit, for delivery in `delay` seconds."""
    parts = list(_as_sent(events))
    for start in range(0, len(parts), STATEMENT_PARTS):
        some = parts[start : start + STATEMENT_PARTS]
        _insert(claimed, some, reason, deliveries=0, more=conf.queue.max_retries + 1, delay=delay)


def _as_sent(events: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The events in batches of at most `max_batch_size` and `MAX_BATCH_BYTES`; a larger one is alone."""
    most = conf.queue.max_batch_size
    batch: list[bytes] = []
    size = 0
    for event in events:
        if batch and (len(batch) >= most or size + len(event) > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += len(event)
    if batch:
        yield batch


def _insert(
    claimed: Claimed,
    parts: Sequence[Sequence[bytes]],
    error: str,
    *,
    deliveries: int,
    more: int,
    delay: float = 0.0,
) -> None:
    execute(
        "INSERT INTO gateway_queuedbatch (payload, events, deliveries, max_deliveries, created_at,"
        " first_failed_at, origin, last_error, visible_at)"
        " SELECT payload, events, %s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s)"
        " FROM unnest(%s::text[], %s::int[]) AS part (payload, events)",
        [
            deliveries,
            deliveries + more,
            claimed.created_at,
            claimed.first_failed_at,
            claimed.origin,
            error,
            delay,
            [encode_batch(part).decode() for part in parts],
            [len(part) for part in parts],
        ],
    )
