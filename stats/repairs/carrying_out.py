"""How repairs are carried out: one chunk a transaction, its effect and its cursor together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import Error, connections, transaction
from django.db.models.functions import Now
from django.utils import timezone

from gateway.conf import conf
from gateway.logs import printable
from stats.errors import is_environment, is_transient, one_line
from stats.models import Repair
from stats.repairs import audit, kinds

logger = logging.getLogger(__name__)

STATEMENT_SECONDS, LOCK_SECONDS = 20, 5  # bounds in a chunk
TRIES = 3  # of a chunk that deadlocked or failed to serialize
PATIENCE = timedelta(hours=1)  # without a chunk, after which an environment that fails ends a repair

OnChunk = Callable[[Repair], None]


def carry_out_all(on_chunk: OnChunk = lambda repair: None) -> int:
    """Carries out all that wait or were abandoned, oldest first, until none is left; how many ended.

    Raises what is the environment's fault; what was committed stays, and the rest goes on next time.
    """
    ended = 0
    while (repair := _oldest_unfinished()) is not None:
        carry_out(repair, on_chunk)
        ended += 1
    return ended


def carry_out(repair: Repair, on_chunk: OnChunk = lambda repair: None) -> None:
    """One repair to its end. Raises what is the environment's fault."""
    try:
        _begin(repair)
        while not repair.is_finished:
            _step(repair)
            on_chunk(repair)
    except Exception as error:
        if is_environment(error) and not _is_given_up(repair):
            raise
        logger.exception("Repair failed: %d", repair.pk)
        _fail(repair, one_line(error))
    logger.info("Repair ended: %d | State: %s | Done: %d", repair.pk, repair.state, repair.done)


def _oldest_unfinished() -> Repair | None:
    rows = Repair.objects.using(conf.database).filter(state__in=Repair.UNFINISHED)
    return rows.order_by("id").first()


def _begin(repair: Repair) -> None:
    """Counts what is to be done, outside of any lock: a person may look, and cancel, meanwhile."""
    if repair.started_at is not None:
        return
    count = kinds.find(repair.kind).count
    waiting = Repair.objects.using(conf.database).filter(pk=repair.pk, state=Repair.State.WAITING)
    waiting.update(
        state=Repair.State.RUNNING,
        started_at=Now(),
        moved_at=Now(),
        total=count(repair) if count else None,
    )
    repair.refresh_from_db()


def _step(repair: Repair) -> None:
    for attempt in range(1, TRIES + 1):
        try:
            return _step_once(repair)
        except Error as error:
            if attempt == TRIES or not is_transient(error):
                raise
            logger.warning("Chunk of repair %d tried again: %s", repair.pk, printable(one_line(error)))
    return None


def _step_once(repair: Repair) -> None:
    with transaction.atomic(using=conf.database):
        _limit()
        # Whoever waits here for another process finds the cursor that one left.
        locked = Repair.objects.using(conf.database).select_for_update().get(pk=repair.pk)
        if not locked.is_finished:
            _do_chunk(locked)
    repair.refresh_from_db()


def _limit() -> None:
    """What takes longer is tried again later, and holds no lock meanwhile."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)",
            [f"{STATEMENT_SECONDS}s", f"{LOCK_SECONDS}s"],
        )


def _do_chunk(locked: Repair) -> None:
    chunk = kinds.find(locked.kind).work(locked)
    locked.done += chunk.done
    locked.failed += chunk.failed
    locked.cursor = chunk.cursor
    locked.moved_at = Now()
    locked.error = ""
    if chunk.cursor is None:
        locked.state = Repair.State.DONE
        locked.finished_at = Now()
    locked.save(update_fields=["done", "failed", "cursor", "moved_at", "error", "state", "finished_at"])
    if locked.is_finished:
        audit.ended(locked)


def _is_given_up(repair: Repair) -> bool:
    """A time-out, say, that comes each time must not have a process started every few seconds for ever."""
    since = repair.moved_at or repair.asked_at
    return timezone.now() - since > PATIENCE


def _fail(repair: Repair, error: str) -> None:
    with transaction.atomic(using=conf.database):
        locked = Repair.objects.using(conf.database).select_for_update().get(pk=repair.pk)
        if locked.is_finished:
            return
        locked.state = Repair.State.FAILED
        locked.error = error.replace("\x00", "\\x00")
        locked.finished_at = Now()
        locked.save(update_fields=["state", "error", "finished_at"])
        audit.ended(locked)
    repair.refresh_from_db()
