"""Takes batches out of the queue for a person: each event of theirs becomes a dead letter of its own.

Moved ones wait for a decision; purged ones are discarded already, so that nothing vanishes. Either comes back
by a redrive, and what was counted meanwhile, from wherever, is not counted again: its id is known.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models.functions import Now

from gateway import queue
from gateway.conf import conf
from gateway.events import UndecodableEvent, split_batch
from gateway.logs import printable
from gateway.models import QueuedBatch
from gateway.queue import Selection
from stats import dead_letters
from stats.dead_letters import Failure
from stats.models import DeadLetter

logger = logging.getLogger(__name__)

CHUNK_EVENTS = 1_000  # that one transaction takes out; a batch is never split
ROWS = 500  # letters that one statement keeps


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of the events of a batch."""

    reason: DeadLetter.Reason
    is_settled: bool  # nothing to decide about any more


MOVED = Fate(DeadLetter.Reason.MOVED, is_settled=False)
PURGED = Fate(DeadLetter.Reason.PURGED, is_settled=True)


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What was taken out."""

    batches: int = 0
    letters: int = 0
    last_id: int = 0


def withdraw(selection: Selection, fate: Fate, by: str, note: str) -> Withdrawn:
    """Takes all of a selection out, but what a consumer has in its hands. Raises django.db.Error."""
    total = Withdrawn()
    while (some := withdraw_some(selection, fate, by, note)).batches:
        total = Withdrawn(total.batches + some.batches, total.letters + some.letters, some.last_id)
    return total


def withdraw_some(
    selection: Selection, fate: Fate, by: str, note: str, repair: int | None = None
) -> Withdrawn:
    """Takes out as much as one transaction should: all of that or nothing. Raises django.db.Error."""
    with transaction.atomic(using=conf.database):
        taken = queue.take(selection, CHUNK_EVENTS)
        failures = [failure for batch in taken for failure in _failures(batch, fate, by, note)]
        letters = dead_letters.letters_of(failures)
        if fate.is_settled:
            _settle(letters, by, note, repair)
        DeadLetter.objects.using(conf.database).bulk_create(letters, batch_size=ROWS)
    if not taken:
        return Withdrawn()
    logger.warning(
        "Taken out of the queue: %d batches, %d events | Reason: %s | By: %s",
        *(len(taken), len(letters), fate.reason.value, printable(by)),
    )
    return Withdrawn(len(taken), len(letters), taken[-1].pk)


def _failures(batch: QueuedBatch, fate: Fate, by: str, note: str) -> Iterator[Failure]:
    error = f"{fate.reason.value} by {by}: {note}"
    failure = Failure(
        payload=batch.payload,
        reason=fate.reason,
        error=f"{error}\nbefore: {batch.last_error}" if batch.last_error else error,
        deliveries=batch.deliveries,
        first_failed_at=batch.first_failed_at,
        origin=batch.origin or batch.pk,
    )
    for payload in _events(batch.payload):
        yield replace(failure, payload=payload)


def _events(payload: str) -> list[bytes] | list[str]:
    """One by one; what can't be taken apart as it is."""
    try:
        return split_batch(payload)
    except UndecodableEvent:
        return [payload]


def _settle(letters: Sequence[DeadLetter], by: str, note: str, repair: int | None) -> None:
    for letter in letters:
        letter.state, letter.settled_at = DeadLetter.State.DISCARDED, Now()
        letter.settled_by, letter.note, letter.repair_id = by, note, repair
