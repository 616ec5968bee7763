"""Looking at the queue: how much waits, and whether anybody sees to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.conf import conf
from gateway.queue import doorbell
from gateway.queue.transactions import LOCK_SECONDS, bounded_transaction, fetch, lock_key

_DUE = "EXISTS (SELECT FROM gateway_queuedbatch WHERE visible_at <= clock_timestamp())"


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits: batches, events, and for how many seconds the oldest has."""

    batches: int
    events: int
    oldest_seconds: float


def depth() -> Depth:
    """What waits, the batch under work included."""
    row = fetch(
        "SELECT count(*), coalesce(sum(events), 0),"
        " coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0) FROM gateway_queuedbatch"
    )
    return Depth(batches=int(row[0]), events=int(row[1]), oldest_seconds=max(0.0, float(row[2])))


def now() -> datetime:
    """By the database's clock, as batches are."""
    moment: datetime = fetch("SELECT clock_timestamp()")[0]
    return moment


def is_due() -> bool:
    """Whether a batch waits to be claimed now."""
    return bool(fetch(f"SELECT {_DUE}")[0])


def is_unattended(*, or_idle: bool = False) -> bool:
    """Whether a batch is due (or the queue idle, if asked so) while nobody works and no doorbell waits."""
    with bounded_transaction(LOCK_SECONDS) as cursor:
        cursor.execute(
            f"SELECT pg_try_advisory_xact_lock(%s) AND (%s OR {_DUE}) AND NOT {doorbell.WAITS}",
            [lock_key(), or_idle, conf.queue.name],
        )
        return bool(cursor.fetchone()[0])
