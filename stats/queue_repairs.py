"""Repairs of the queue: batches moved to the dead letters or purged, and what was purged recovered.

What a chunk has taken out is gone from the queue, so that the next one finds the rest by itself: killed at
any moment, a repair goes on where it was.
"""

from __future__ import annotations

from dataclasses import replace

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from gateway import queue
from gateway.conf import conf
from gateway.queue import Selection
from stats import dead_letters, repairs
from stats.models import DeadLetter, Repair
from stats.repairs import Chunk
from stats.withdrawing import MOVED, PURGED, Fate, withdraw_some

RECOVERED = 200  # letters that one transaction puts back
MOVE, PURGE, RECOVER = "move_batches", "purge_queue", "recover_purged"


def _count(repair: Repair) -> int | None:
    found = queue.survey(Selection.of_parameters(repair.parameters))
    return None if found.is_capped else found.events


@repairs.kind(
    MOVE, title=_("Move batches to the dead letters"), permission="gateway.move_batch", count=_count
)
def move(repair: Repair) -> Chunk:
    """Each of their events waits for a decision."""
    return _chunk(repair, MOVED)


@repairs.kind(
    PURGE,
    title=_("Purge the queue"),
    permission="gateway.purge_queue",
    count=_count,
    undone_by=RECOVER,
)
def purge(repair: Repair) -> Chunk:
    """Each of their events is kept, discarded."""
    return _chunk(repair, PURGED)


def _chunk(repair: Repair, fate: Fate) -> Chunk:
    selection = Selection.of_parameters(repair.parameters)
    # Behind the last one: entries of what is gone stay in the index for a while. Once more from the beginning
    # at the end, since a consumer may have let go of some.
    for behind in sorted({repair.cursor or 0, 0}, reverse=True):
        some = withdraw_some(replace(selection, behind=behind), fate, repair.by, repair.note, repair.pk)
        if some.batches:
            return Chunk(done=some.letters, cursor=some.last_id)
    return Chunk(done=0, failed=queue.survey(selection).events)  # in a consumer's hands


def _purged(repair: Repair) -> QuerySet[DeadLetter]:
    """What the purge that is named discarded, and is discarded still."""
    letters = DeadLetter.objects.using(conf.database)
    return letters.filter(repair=repair.parameters["repair"], state=DeadLetter.State.DISCARDED)


def _count_purged(repair: Repair) -> int | None:
    return _purged(repair).count()


@repairs.kind(
    RECOVER,
    title=_("Recover what was purged"),
    permission="stats.redrive_deadletter",
    count=_count_purged,
)
def recover(repair: Repair) -> Chunk:
    """Puts it back into the queue, at once."""
    behind = _purged(repair).filter(pk__gt=repair.cursor or 0).order_by("id")
    ids = list(behind.values_list("id", flat=True)[:RECOVERED])
    dead_letters.undo(_purged(repair).filter(pk__in=ids), repair.by, within=None)
    done = dead_letters.redrive_some(ids, repair.by, repair=repair.pk) if ids else 0
    return Chunk(done=done, failed=len(ids) - done, cursor=ids[-1] if len(ids) == RECOVERED else None)
