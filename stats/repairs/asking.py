"""What a person does with a repair: asks for it, and may have it end early."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from gateway.conf import conf
from gateway.logs import printable
from stats import background
from stats.models import Repair
from stats.repairs import audit, kinds

logger = logging.getLogger(__name__)

COMMAND = "carry_out_repairs"
UNDO_SECONDS = 60.0  # after its end
ABANDONED = timedelta(seconds=10)  # without a chunk; a chunk takes a fraction of a second


class NotUndoable(Exception):
    """It goes on, ended more than a minute ago, or is of a kind that nothing takes back."""


def ask(kind: str, parameters: Mapping[str, Any], by: str, note: str = "") -> Repair:
    """A repair that waits, and is begun as soon as the caller's transaction has committed.

    Raises UnknownKind and django.db.Error.
    """
    kinds.find(kind)
    with transaction.atomic(using=conf.database):
        repair = Repair.objects.using(conf.database).create(
            kind=kind, parameters=dict(parameters), by=by, note=note
        )
        audit.asked(repair)
        transaction.on_commit(start, using=conf.database)
    logger.info("Repair asked for: %d | Kind: %s | By: %s", repair.pk, kind, printable(by))
    return repair


def cancel(repair: Repair, by: str) -> bool:
    """Ends it behind the chunk that is under way; False if it had ended before. What is done stays done."""
    with transaction.atomic(using=conf.database):
        locked = Repair.objects.using(conf.database).select_for_update().get(pk=repair.pk)
        if locked.is_finished:
            return False
        locked.state = Repair.State.CANCELLED
        locked.finished_at = Now()
        locked.save(update_fields=["state", "finished_at"])
        audit.ended(locked, by=by)
    logger.info("Repair cancelled: %d | By: %s", repair.pk, printable(by))
    return True


def may_be_undone(repair: Repair) -> bool:
    """By this host's clock: a second more or less changes nothing."""
    if not kinds.find(repair.kind).undone_by or repair.finished_at is None or not repair.done:
        return False
    return timezone.now() - repair.finished_at <= timedelta(seconds=UNDO_SECONDS)


def undo(repair: Repair, by: str) -> Repair:
    """Asks for the repair that takes this one back, as far as that can be.

    To ask twice does no harm: the second finds nothing to do. Raises NotUndoable, django.db.Error.
    """
    if not may_be_undone(repair):
        raise NotUndoable
    return ask(kinds.find(repair.kind).undone_by, {"repair": repair.pk}, by)


def start() -> bool:
    """Starts what carries out all that wait; False if that runs already or can't be started."""
    try:
        return background.start(COMMAND)
    except OSError as error:
        logger.warning("Repairs wait, their process could not be started: %s", error)
        return False


def start_if_left() -> bool:
    """For the bell: takes up what waits or was abandoned, if anything. Raises django.db.Error."""
    left = Repair.objects.using(conf.database).filter(state__in=Repair.UNFINISHED)
    oldest = left.order_by("id").only("moved_at").first()
    if oldest is None or (oldest.moved_at and timezone.now() - oldest.moved_at < ABANDONED):
        return False
    return start()
