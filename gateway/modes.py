"""Modes: who counts a request, the queue, the legacy collector, or both; changeable while all run.

The latest `ModeChange` is in force; while nobody has made one, `STATS_MODE` and `STATS_SAMPLE_RATE` are. A
process asks again every few seconds, by its sender, when it has something to hand over, and goes by what it
knows while the database is away. What was collected under a mode that had ended already is harmless: ids are
the same on both paths.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from django.db import connections, transaction

from gateway.asked import Asked
from gateway.conf import MODES, conf
from gateway.logs import printable
from gateway.models import ModeChange

logger = logging.getLogger(__name__)

LEAST_RATE = 1e-6
DIGITS = 8  # of an id, which are the first of a SHA-256
SHARES = 16**DIGITS


class InForce(msgspec.Struct, frozen=True, gc=False):
    """A mode, and the share of the events that mode `sample` collects."""

    mode: str
    sample_rate: float = 0.01

    def is_collected(self, idempotent_id: str) -> bool:
        """Whether the collector is to have this event, whatever the queue does."""
        if self.mode == "sample":
            return is_sampled(idempotent_id, self.sample_rate)
        return self.mode in ("dual", "legacy")


class Span(msgspec.Struct, frozen=True):
    """From when to when (exclusively) a mode was in force."""

    since: datetime
    until: datetime
    in_force: InForce


def is_sampled(idempotent_id: str, rate: float) -> bool:
    """Whether a share of this size holds the event: in every process, and in every greater share, too."""
    return int(idempotent_id[-DIGITS:], 16) < rate * SHARES


def known() -> InForce:
    """The mode in force as far as this process knows; asks nobody."""
    return _chosen.known or InForce(conf.mode, conf.sample_rate)


def in_force() -> InForce:
    """The mode in force; asks the database if it did not lately. Never raises: then it is what is known."""
    before = known()
    now = _chosen.now() or InForce(conf.mode, conf.sample_rate)
    if now != before:
        logger.info("Mode: %s now (sample rate %g), it was %s", now.mode, now.sample_rate, before.mode)
    return now


def chosen() -> InForce | None:
    """What somebody chose last, by a look into the database. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            "SELECT mode, sample_rate FROM gateway_modechange WHERE changed_by <> '' ORDER BY id DESC LIMIT 1"
        )
        row = cursor.fetchone()
    return InForce(*row) if row else None


_chosen: Asked[InForce | None] = Asked(chosen, None)  # by somebody; else the settings say it
forget = _chosen.forget


def change(mode: str, sample_rate: float | None = None, *, by: str, note: str = "") -> ModeChange:
    """Puts a mode into force; within 10 s every process goes by it.

    Without a rate, that in force stays. Raises ValueError that names the argument, and django.db.Error.
    """
    if mode not in MODES:
        raise ValueError(f"mode: {mode!r} is none of {', '.join(MODES)}")
    with transaction.atomic(using=conf.database):
        note_setting()
        rate = (
            (chosen() or InForce(conf.mode, conf.sample_rate)).sample_rate
            if sample_rate is None
            else sample_rate
        )
        check_rate(rate)
        made = ModeChange.objects.using(conf.database).create(
            mode=mode, sample_rate=rate, changed_by=by, note=note
        )
    _chosen.expire()
    logger.warning("Mode: %s from now on (sample rate %g), by %s", mode, rate, printable(by))
    return made


def check_rate(rate: float) -> None:
    """Raises ValueError."""
    if not LEAST_RATE <= rate <= 1:
        raise ValueError(f"sample_rate: {rate!r} is no share from {LEAST_RATE:g} to 1")


def note_setting() -> None:
    """Has the history tell what the settings say, while nobody has chosen a mode. Raises django.db.Error."""
    said = InForce(conf.mode, conf.sample_rate)
    with transaction.atomic(using=conf.database), connections[conf.database].cursor() as cursor:
        cursor.execute("LOCK TABLE gateway_modechange IN SHARE ROW EXCLUSIVE MODE")
        rows = ModeChange.objects.using(conf.database)
        last = rows.order_by("-id").first()
        if last is not None and (last.changed_by or InForce(last.mode, last.sample_rate) == said):
            return
        rows.create(mode=said.mode, sample_rate=said.sample_rate, note="STATS_MODE")


def spans(since: datetime, until: datetime) -> list[Span]:
    """The modes in force between the two, oldest first. Raises django.db.Error.

    What was before the first change that is known went by the settings, as they are now.
    """
    changes = (
        ModeChange.objects.using(conf.database).filter(changed_at__lt=until).order_by("changed_at", "id")
    )
    return list(_spans(list(changes), since, until))


def _spans(changes: list[ModeChange], since: datetime, until: datetime) -> Iterator[Span]:
    begun, mode = datetime.min.replace(tzinfo=UTC), InForce(conf.mode, conf.sample_rate)
    for change_ in changes:
        if change_.changed_at > since and max(begun, since) < change_.changed_at:
            yield Span(max(begun, since), change_.changed_at, mode)
        begun, mode = change_.changed_at, InForce(change_.mode, change_.sample_rate)
    if max(begun, since) < until:
        yield Span(max(begun, since), until, mode)
