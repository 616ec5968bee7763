"""A fallback drill from its request to its proof: every event that fell back is in the queue path."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connections

from gateway import drills
from gateway.conf import conf
from gateway.models import FallbackDrill
from legacy_collector import held
from legacy_collector.replay import replay_all

SECONDS = 5.0
POLL_SECONDS = 0.5
TAKEN_SECONDS = 20.0  # a process looks every few seconds, when it has events to send
COUNTED_SECONDS = 60.0  # for what fell back to be replayed and counted

_COUNTED = "SELECT count(*) FROM stats_event WHERE idempotent_id = ANY(%s)"


@dataclass(frozen=True)
class Outcome:
    """What came of it; `error` says what was missing."""

    drill: int
    process: str
    fallen_back: int
    counted: int
    error: str | None

    @property
    def holds(self) -> bool:
        return self.error is None


def run(seconds: float, by: str, say: Callable[[str], None] = lambda line: None) -> Outcome:
    """Has one process's queue refuse, then replays and counts what fell back.

    Raises ValueError that names the argument, CollectorRefused and django.db.Error.
    """
    asked = drills.request(seconds, by)
    say(f"Waiting for a process that sends events to begin drill {asked.pk}.")
    taken = _await(asked, lambda row: row.taken_at is not None, TAKEN_SECONDS)
    if taken is None:
        return Outcome(asked.pk, "", 0, 0, "no process began it: there was nothing to send")
    say(f"{taken.taken_by}: its queue refuses for {seconds:g} s.")
    ended = _await(asked, lambda row: row.ended_at is not None, seconds + TAKEN_SECONDS)
    if ended is None or ended.taken_at is None or ended.ended_at is None:
        return Outcome(asked.pk, taken.taken_by, 0, 0, "it was not ended: nothing was sent afterwards")
    if not ended.fallen_back:
        return Outcome(asked.pk, ended.taken_by, 0, 0, "no event fell back: there was too little traffic")
    say(f"{ended.fallen_back:,} events fell back to the collector; replaying and counting them.")
    ids = held.fallen_back_between(ended.taken_at, ended.ended_at)
    counted = _await_counted(ids)
    if counted < len(ids) or len(ids) < ended.fallen_back:
        return Outcome(asked.pk, ended.taken_by, ended.fallen_back, counted, "not all of them were counted")
    FallbackDrill.objects.using(conf.database).filter(pk=asked.pk).update(verified_at=datetime.now(UTC))
    return Outcome(asked.pk, ended.taken_by, ended.fallen_back, counted, None)


def _await(
    asked: FallbackDrill, is_so: Callable[[FallbackDrill], bool], seconds: float
) -> FallbackDrill | None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        row = FallbackDrill.objects.using(conf.database).get(pk=asked.pk)
        if is_so(row):
            return row
        time.sleep(POLL_SECONDS)
    return None


def _await_counted(ids: list[str]) -> int:
    until = time.monotonic() + COUNTED_SECONDS
    while True:
        replay_all()
        with connections[conf.database].cursor() as cursor:
            cursor.execute(_COUNTED, [ids])
            counted = int(cursor.fetchone()[0])
        if counted >= len(ids) or time.monotonic() > until:
            return counted
        time.sleep(POLL_SECONDS)
