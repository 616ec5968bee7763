"""Dead letters: what could not be counted, and the two things a person can do about it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now

from gateway import queue
from gateway.conf import conf
from gateway.events import UndecodableEvent, fields_of, split_batch
from gateway.idempotency import is_valid_idempotent_id
from gateway.logs import printable
from stats.models import DeadLetter

logger = logging.getLogger(__name__)

REDRIVE_CHUNK = 500  # letters one transaction redrives


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that can't be counted, and why. `payload` is as it was received."""

    payload: bytes | str
    reason: DeadLetter.Reason
    error: str
    deliveries: int
    traceback: str = ""
    first_failed_at: datetime | None = None  # now, if there was no failure before


def bury(failures: Sequence[Failure]) -> None:
    """Keeps them as dead letters; in the transaction that takes them out of the queue."""
    letters = [
        DeadLetter(
            event_id=_event_id(failure.payload),
            payload=_as_text(failure.payload),
            reason=failure.reason,
            error=_as_text(failure.error),
            traceback=_as_text(failure.traceback),
            deliveries=failure.deliveries,
            first_failed_at=failure.first_failed_at or Now(),
        )
        for failure in failures
    ]
    DeadLetter.objects.using(conf.database).bulk_create(letters)
    for letter in letters:
        error = printable(letter.error)
        logger.error("Dead letter: %s | Reason: %s | %s", letter.event_id or "-", letter.reason, error)


def redrive(letters: QuerySet[DeadLetter], by: str) -> int:
    """Puts the dead ones among `letters` back into the queue; how many.

    Redriving twice, or an event that is counted already, changes no count: the store knows its ids.
    Raises django.db.Error; letters queued before that are marked as redriven, the others are not.
    """
    # Only those that are dead now: what fails again meanwhile comes back as a new letter.
    dead = letters.filter(state=DeadLetter.State.DEAD)
    newest = dead.order_by("-id").values_list("id", flat=True).first()
    count = 0
    while chunk := list(dead.filter(pk__lte=newest or 0).order_by("id")[:REDRIVE_CHUNK]):
        count += _redrive_chunk([letter.pk for letter in chunk], by)
    return count


def _redrive_chunk(ids: Sequence[int], by: str) -> int:
    with transaction.atomic(using=conf.database):
        dead = DeadLetter.objects.using(conf.database).select_for_update()
        chunk = list(dead.filter(pk__in=ids, state=DeadLetter.State.DEAD).order_by("id"))
        if chunk:
            queue.enqueue([_as_batch(letter.payload) for letter in chunk])
        _settle(chunk, DeadLetter.State.REDRIVEN, by)
    return len(chunk)


def discard(letters: QuerySet[DeadLetter], by: str) -> int:
    """Sets the dead ones among `letters` aside for good; how many. They stay to be looked at."""
    with transaction.atomic(using=conf.database):
        chunk = list(letters.filter(state=DeadLetter.State.DEAD).select_for_update())
        _settle(chunk, DeadLetter.State.DISCARDED, by)
    return len(chunk)


def _settle(chunk: Sequence[DeadLetter], state: DeadLetter.State, by: str) -> None:
    ids = [letter.pk for letter in chunk]
    DeadLetter.objects.using(conf.database).filter(pk__in=ids).update(
        state=state, settled_at=Now(), settled_by=by
    )
    for letter in chunk:
        logger.info("Dead letter %s: %s | By: %s", state.value, letter.event_id or letter.pk, printable(by))


def _as_batch(payload: str) -> tuple[str, int]:
    """A letter as a batch of its own, so that one that fails again takes no other with it.

    A whole batch that could not be read goes back as it was, and so does what is no JSON at all.
    """
    try:
        return payload, max(1, len(split_batch(payload)))
    except UndecodableEvent:
        return (f"[{payload}]" if fields_of(payload) is not None else payload), 1


def _event_id(payload: bytes | str) -> str | None:
    received = (fields_of(payload) or {}).get("idempotent_id")
    return received if is_valid_idempotent_id(received) else None


def _as_text(value: bytes | str) -> str:
    """Text that PostgreSQL can hold."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
