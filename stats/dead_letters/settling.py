"""What a person decides about dead letters: redrive, discard, and either undone."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connections, transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from gateway import queue
from gateway.conf import conf
from gateway.events import UndecodableEvent, fields_of, split_batch
from gateway.logs import printable
from stats.models import DeadLetter

logger = logging.getLogger(__name__)

REDRIVE_CHUNK = 500  # letters one transaction redrives
LOGGED_SINGLY = 50  # of more at once, a line says how many
UNDO_SECONDS = 60.0  # for which a redrive waits in the queue, and a discard can be undone

_QUEUED = """
UPDATE stats_deadletter AS letter SET batch = queued.batch
FROM unnest(%s::bigint[], %s::bigint[]) AS queued (letter, batch) WHERE letter.id = queued.letter
"""


@dataclass(frozen=True, slots=True)
class Undone:
    """How many are dead again, and how many were delivered already or settled too long ago."""

    back: int
    too_late: int


def redrive(letters: QuerySet[DeadLetter], by: str, delay: float = 0.0) -> int:
    """Puts the dead ones among `letters` back into the queue, to be delivered in `delay` seconds; how many.

    Redriving twice, or an event that is counted already, changes no count: the store knows its ids.
    Raises django.db.Error; letters queued before that are marked as redriven, the others are not.
    """
    # Only those that are dead now: what fails again meanwhile comes back as a new letter.
    dead = letters.filter(state=DeadLetter.State.DEAD)
    newest = dead.order_by("-id").values_list("id", flat=True).first()
    count = 0
    rest = dead.filter(pk__lte=newest or 0).order_by("id").values_list("id", flat=True)
    while ids := list(rest[:REDRIVE_CHUNK]):
        count += redrive_some(ids, by, delay)
    return count


def redrive_some(ids: Collection[int], by: str, delay: float = 0.0, repair: int | None = None) -> int:
    """As `redrive`, in one transaction. Raises django.db.Error."""
    with transaction.atomic(using=conf.database):
        chunk = _locked_dead(ids, "payload")
        batches = queue.put_back([as_batch(letter.payload) for letter in chunk], delay) if chunk else []
        _settle(chunk, DeadLetter.State.REDRIVEN, by, repair=repair)
        with connections[conf.database].cursor() as cursor:
            cursor.execute(_QUEUED, [[letter.pk for letter in chunk], batches])
    return len(chunk)


def discard(letters: QuerySet[DeadLetter], by: str, note: str = "") -> int:
    """Sets the dead ones among `letters` aside for good; how many. They stay to be looked at."""
    dead = letters.filter(state=DeadLetter.State.DEAD)
    return discard_some(list(dead.values_list("id", flat=True)), by, note)


def discard_some(ids: Collection[int], by: str, note: str = "", repair: int | None = None) -> int:
    """As `discard`. Raises django.db.Error."""
    with transaction.atomic(using=conf.database):
        chunk = _locked_dead(ids)
        _settle(chunk, DeadLetter.State.DISCARDED, by, note=note, repair=repair)
    return len(chunk)


def undo(letters: QuerySet[DeadLetter], by: str, within: float | None = UNDO_SECONDS) -> Undone:
    """Has settled ones be dead again: the redriven that are not counted yet, and the discarded.

    `within` is in seconds and bounds how long ago they were discarded. Raises django.db.Error.
    """
    discarded = Q(state=DeadLetter.State.DISCARDED)
    if within is not None:
        discarded &= Q(settled_at__gte=Now() - timedelta(seconds=within))
    with transaction.atomic(using=conf.database):
        settled = letters.exclude(state=DeadLetter.State.DEAD).order_by("id")
        chunk = list(settled.select_for_update().only("id", "event_id", "batch", "state"))
        may_be = set(letters.filter(discarded, pk__in=[one.pk for one in chunk]).values_list("id", flat=True))
        taken = queue.take_out([one.batch for one in chunk if one.batch is not None])
        back = [one for one in chunk if one.pk in may_be or one.batch in taken]
        _settle(back, DeadLetter.State.DEAD, by)
    return Undone(back=len(back), too_late=len(chunk) - len(back))


def may_undo_discard(letter: DeadLetter) -> bool:
    """By this host's clock, for who looks; `undo` goes by the database's."""
    if letter.settled_at is None or letter.state != DeadLetter.State.DISCARDED:
        return False
    return timezone.now() - letter.settled_at < timedelta(seconds=UNDO_SECONDS)


def hasten(letters: QuerySet[DeadLetter]) -> int:
    """Has those that wait for an undo delivered at once; how many did wait. Raises django.db.Error."""
    waiting = letters.filter(state=DeadLetter.State.REDRIVEN, batch__isnull=False)
    batches = waiting.values_list("batch", flat=True)
    return queue.hasten([batch for batch in batches if batch is not None])


def _locked_dead(ids: Collection[int], *columns: str) -> list[DeadLetter]:
    """Those that are dead still, with no more of them than is needed."""
    dead = DeadLetter.objects.using(conf.database).filter(pk__in=ids, state=DeadLetter.State.DEAD)
    return list(dead.select_for_update().only("id", "event_id", *columns).order_by("id"))


def _settle(
    chunk: Sequence[DeadLetter], state: DeadLetter.State, by: str, note: str = "", repair: int | None = None
) -> None:
    values: dict[str, Any] = {"settled_at": Now(), "settled_by": by, "note": note, "repair_id": repair}
    if state == DeadLetter.State.DEAD:
        values = {"settled_at": None, "settled_by": "", "note": ""}
    ids = [letter.pk for letter in chunk]
    letters = DeadLetter.objects.using(conf.database).filter(pk__in=ids)
    letters.update(state=state, batch=None, **values)
    if len(chunk) > LOGGED_SINGLY:
        logger.info("Dead letters %s: %d | By: %s", state.value, len(chunk), printable(by))
        return
    for letter in chunk:
        logger.info("Dead letter %s: %s | By: %s", state.value, letter.event_id or letter.pk, printable(by))


def as_batch(payload: str) -> tuple[str, int]:
    """A letter as a batch of its own, so that one that fails again takes no other with it.

    A whole batch that could not be read goes back as it was, and so does what is no JSON at all.
    """
    try:
        return payload, max(1, len(split_batch(payload)))
    except UndecodableEvent:
        return (f"[{payload}]" if fields_of(payload) is not None else payload), 1
