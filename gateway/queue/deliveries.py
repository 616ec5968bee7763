"""The consumer's side: batches are claimed, held, and end in one of four ways."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connections
from django.db.backends.utils import CursorWrapper

from gateway.conf import conf
from gateway.queue.transactions import (
    WORK_SECONDS,
    bounded_transaction,
    exclude_other_consumers,
    execute,
    limit,
)

CANDIDATES = 200  # rows a claim looks at
OVERTAKING = timedelta(seconds=10)  # by which a sender's transaction may commit after one that began later
CLAIM_BYTES = 32_000_000  # payload that is claimed together at most: `events` is only what its sender said


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery of a batch. `deliveries` counts this one; `token` proves that it is still ours."""

    id: int
    token: uuid.UUID
    payload: str
    events: int
    deliveries: int
    max_deliveries: int
    created_at: datetime
    first_failed_at: datetime | None
    origin: int  # the batch it is a part of; itself if it is whole
    claimed_at: float  # seconds since the epoch, by the database's clock

    @property
    def is_last_delivery(self) -> bool:
        return self.deliveries >= self.max_deliveries


def claim(*, probe: bool = False) -> list[Claimed]:
    """Counts a delivery of what is due, oldest first, and commits that before anyone works on it.

    Batches on their first delivery come together, up to
    `TRAFFIC_TRANSACTION_EVENTS`. One that has failed before, and a half of one, comes alone: whatever it
    does, its neighbours must not suffer twice. A `probe` is one batch, rather one that never failed. Raises
    django.db.Error.
    """
    with bounded_transaction(WORK_SECONDS) as cursor:
        exclude_other_consumers(cursor)
        return _claim(cursor, probe=probe)


def claim_ahead(current: Sequence[Claimed]) -> list[Claimed]:
    """As `claim`, in the transaction that works on `current`: it is to be committed before the batches are
    worked on, and costs no transaction of its own. Raises django.db.Error.

    Looks behind the current ones only, as far as they are whole: what was before them is done, and entries of
    done batches stay in the index for as long as anybody's snapshot could see them. `claim` looks at all.
    The current ones are never among them, though their lease may have ended: claimed anew under the hands
    that work on them, they would come again for ever.
    """
    since = max(claimed.created_at for claimed in current) - OVERTAKING
    is_first = all(claimed.deliveries == 1 for claimed in current)
    with connections[conf.database].cursor() as cursor:
        return _claim(cursor, since=since if is_first else None, without=[claimed.id for claimed in current])


def _claim(
    cursor: CursorWrapper, *, probe: bool = False, since: datetime | None = None, without: Sequence[int] = ()
) -> list[Claimed]:
    cursor.execute(
        """
        SELECT id, events, octet_length(payload), deliveries > 0 FROM gateway_queuedbatch
        WHERE visible_at <= clock_timestamp() AND visible_at >= coalesce(%s, '-infinity'::timestamptz)
              AND id <> ALL(%s::bigint[])
        ORDER BY %s AND first_failed_at IS NOT NULL, visible_at, id LIMIT %s FOR UPDATE SKIP LOCKED
        """,
        [since, list(without), probe, 1 if probe else CANDIDATES],
    )
    chosen = _choose(cursor.fetchall(), conf.transaction_events)
    if not chosen:
        return []
    cursor.execute(
        """
        UPDATE gateway_queuedbatch SET deliveries = deliveries + 1, claim = %s,
               visible_at = clock_timestamp() + make_interval(secs => %s)
        WHERE id = ANY(%s)
        RETURNING id, claim, payload, events, deliveries, max_deliveries, created_at, first_failed_at,
                  coalesce(origin, id), extract(epoch FROM clock_timestamp())::float8
        """,
        [uuid.uuid4(), conf.lease, chosen],
    )
    return sorted((Claimed(*row) for row in cursor.fetchall()), key=lambda claimed: claimed.id)


def _choose(candidates: Sequence[tuple[int, int, int, bool]], limit: int) -> list[int]:
    """The head of the queue alone if it must be, otherwise with as many whole batches as fit."""
    chosen: list[int] = []
    events = size = 0
    for batch_id, batch_events, batch_size, alone in candidates:
        is_full = events + batch_events > limit or size + batch_size > CLAIM_BYTES
        if chosen and (alone or is_full):
            continue
        chosen.append(batch_id)
        events += batch_events
        size += batch_size
        if alone:
            break
    return chosen


def hold(claims: Sequence[Claimed]) -> list[Claimed]:
    """Locks the rows of these deliveries; those that are still ours. To be called in the work transaction."""
    with connections[conf.database].cursor() as cursor:
        limit(cursor, WORK_SECONDS)
        exclude_other_consumers(cursor)
        cursor.execute(
            "SELECT id FROM gateway_queuedbatch WHERE id = ANY(%s) AND claim = %s ORDER BY id FOR UPDATE",
            _keys(claims),
        )
        ours = {row[0] for row in cursor.fetchall()}
    return [claimed for claimed in claims if claimed.id in ours]


def finish(claims: Sequence[Claimed]) -> None:
    """Deletes the batches; in the transaction that stored their events."""
    execute("DELETE FROM gateway_queuedbatch WHERE id = ANY(%s) AND claim = %s", _keys(claims))


def retry(claimed: Claimed, error: str, delay: float) -> None:
    """Leaves the batch for its next delivery, `delay` seconds from now."""
    # Without a claim: nobody has it in his hands meanwhile, and a person may repair it.
    execute(
        "UPDATE gateway_queuedbatch SET visible_at = clock_timestamp() + make_interval(secs => %s),"
        " claim = NULL, first_failed_at = coalesce(first_failed_at, clock_timestamp()), last_error = %s"
        " WHERE id = %s AND claim = %s",
        [delay, error, claimed.id, claimed.token],
    )


def give_back(claims: Sequence[Claimed], error: str, delay: float, *, failed: bool = False) -> None:
    """Takes the delivery back, as if it had not been: the environment failed, not the batch.

    `delay` is in seconds; `failed` remembers that it did fail. Without effect on batches that were finished
    or claimed again meanwhile.
    """
    execute(
        "UPDATE gateway_queuedbatch SET deliveries = deliveries - 1, claim = NULL, last_error = %s,"
        " first_failed_at = CASE WHEN %s THEN coalesce(first_failed_at, clock_timestamp())"
        " ELSE first_failed_at END,"
        " visible_at = clock_timestamp() + make_interval(secs => %s) WHERE id = ANY(%s) AND claim = %s",
        [error, failed, delay, *_keys(claims)],
    )


def _keys(claims: Sequence[Claimed]) -> list[Any]:
    """The ids of one claim's batches, and its token."""
    return [[claimed.id for claimed in claims], claims[0].token]
