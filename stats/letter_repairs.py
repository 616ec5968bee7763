"""Repairs of dead letters: all that match a filter redriven or discarded, and either taken back.

Each chunk goes on behind the last letter of the one before. Letters that came after the repair was asked for
are none of its business, so that what fails again at once is not redriven for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db.models import Max, QuerySet
from django.utils.translation import gettext_lazy as _

from gateway.conf import conf
from stats import dead_letters, repairs
from stats.dead_letters import Filter
from stats.models import DeadLetter, Repair
from stats.repairs import Chunk

CHUNK = 200  # letters of one transaction
TOTAL_CAP = 1_000_000  # letters that are counted at the beginning

State = DeadLetter.State
REDRIVE, DISCARD = "stats.redrive_deadletter", "stats.discard_deadletter"


def parameters(chosen: Filter) -> dict[str, Any]:
    """Of a repair that redrives or discards what `chosen` finds now. Raises django.db.Error."""
    newest = DeadLetter.objects.using(conf.database).aggregate(newest=Max("id"))["newest"]
    return {"filter": chosen.as_parameters(), "newest": newest or 0}


def _dead(repair: Repair) -> QuerySet[DeadLetter]:
    letters = DeadLetter.objects.using(conf.database).filter(
        state=State.DEAD, pk__lte=repair.parameters["newest"]
    )
    return Filter.of(repair.parameters["filter"]).apply(letters)


def _settled(repair: Repair, state: DeadLetter.State) -> QuerySet[DeadLetter]:
    return DeadLetter.objects.using(conf.database).filter(repair=repair.parameters["repair"], state=state)


def _counted(letters: QuerySet[DeadLetter]) -> int | None:
    found = letters.order_by()[: TOTAL_CAP + 1].count()
    return None if found > TOTAL_CAP else found


def _chunk(repair: Repair, letters: QuerySet[DeadLetter], work: Callable[[list[int]], int]) -> Chunk:
    """`work` says how many of these it did; others changed meanwhile, or can't be changed any more."""
    behind = letters.filter(pk__gt=repair.cursor or 0).order_by("id")
    ids = list(behind.values_list("id", flat=True)[:CHUNK])
    done = work(ids) if ids else 0
    return Chunk(done=done, failed=len(ids) - done, cursor=ids[-1] if len(ids) == CHUNK else None)


@repairs.kind(
    "redrive",
    title=_("Redrive dead letters"),
    permission=REDRIVE,
    count=lambda repair: _counted(_dead(repair)),
    undone_by="undo_redrive",
)
def redrive(repair: Repair) -> Chunk:
    """Puts them back into the queue, where each waits for an undo."""
    delay = dead_letters.UNDO_SECONDS
    return _chunk(
        repair,
        _dead(repair),
        lambda ids: dead_letters.redrive_some(ids, repair.by, delay, repair=repair.pk),
    )


@repairs.kind(
    "discard",
    title=_("Discard dead letters"),
    permission=DISCARD,
    count=lambda repair: _counted(_dead(repair)),
    undone_by="undo_discard",
)
def discard(repair: Repair) -> Chunk:
    """Sets them aside, each with the note that was given."""
    return _chunk(
        repair,
        _dead(repair),
        lambda ids: dead_letters.discard_some(ids, repair.by, repair.note, repair=repair.pk),
    )


@repairs.kind(
    "undo_redrive",
    title=_("Undo a redrive of dead letters"),
    permission=REDRIVE,
    count=lambda repair: _counted(_settled(repair, State.REDRIVEN)),
)
def undo_redrive(repair: Repair) -> Chunk:
    """Takes them out of the queue again; those that were delivered already are left."""
    return _undo(repair, State.REDRIVEN)


@repairs.kind(
    "undo_discard",
    title=_("Undo a discard of dead letters"),
    permission=DISCARD,
    count=lambda repair: _counted(_settled(repair, State.DISCARDED)),
)
def undo_discard(repair: Repair) -> Chunk:
    """Has them be dead again."""
    return _undo(repair, State.DISCARDED)


def _undo(repair: Repair, state: DeadLetter.State) -> Chunk:
    settled = _settled(repair, state)
    return _chunk(
        repair,
        settled,
        lambda ids: dead_letters.undo(settled.filter(pk__in=ids), repair.by, within=None).back,
    )
