"""The breaker: when everything fails, stop dead-lettering and shout instead.

A poisonous event fails its own batch and nobody else's, and halving finds it. When lone events of several
batches fail in a row, or lone event after lone event would become a dead letter, and nothing succeeds in
between, the fault is not theirs. The breaker then opens: one batch at a time is tried, with a growing pause,
first what never failed, until one succeeds; meanwhile batches are halved, but no event dies. After arroyo's
`DlqLimit`. Its state is kept in the database, since a worker may be replaced at any time.
"""

from __future__ import annotations

import logging

from django.db import connections

from gateway.conf import conf
from stats.models import ConsumerHeartbeat

logger = logging.getLogger(__name__)

ORIGINS = 5  # lone events of this many batches that fail in a row open it
EXHAUSTED = 10  # or this many events in a row that would become dead letters
PROBE_SECONDS = (1.0, 30.0)  # first and longest pause between two probes


class Breaker:
    """Counts failures between two successes, and remembers in the database whether it is open."""

    def __init__(self) -> None:
        self._failing: set[int] = set()
        self._exhausted = 0
        self.is_open = False

    def load(self) -> bool:
        """Reads its state; whether a batch may be tried now. Raises django.db.Error."""
        with connections[conf.database].cursor() as cursor:
            cursor.execute(
                "SELECT breaker, coalesce(probe_at <= clock_timestamp(), true)"
                " FROM stats_consumerheartbeat WHERE name = %s",
                [conf.queue.name],
            )
            state, may_probe = cursor.fetchone() or (ConsumerHeartbeat.Breaker.CLOSED, True)
        self.is_open = state == ConsumerHeartbeat.Breaker.OPEN
        return not self.is_open or bool(may_probe)

    def failed(self, origin: int, error: str, *, exhausted: bool) -> None:
        """A lone event failed; `exhausted` if that was its last delivery."""
        self._failing.add(origin)
        self._exhausted += exhausted
        if self.is_open or len(self._failing) >= ORIGINS or self._exhausted >= EXHAUSTED:
            self._open(error)

    def succeeded(self) -> None:
        """A batch was counted: the fault, if there was one, is gone."""
        self._failing.clear()
        self._exhausted = 0
        if self.is_open:
            self.is_open = False
            logger.warning("Breaker closed: a batch was counted again")
            self._save(ConsumerHeartbeat.Breaker.CLOSED, "", 0.0)

    def _open(self, error: str) -> None:
        if not self.is_open:
            logger.critical(
                "Breaker open: everything fails, nothing is dead-lettered until that ends: %s", error
            )
        self.is_open = True
        first, longest = PROBE_SECONDS
        self._save(ConsumerHeartbeat.Breaker.OPEN, error, first, longest)

    def _save(self, state: str, error: str, first: float, longest: float = 0.0) -> None:
        with connections[conf.database].cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO stats_consumerheartbeat AS heartbeat
                    (name, batches, events, duplicates, dead, breaker, breaker_error, probe_pause, probe_at)
                VALUES (%s, 0, 0, 0, 0, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))
                ON CONFLICT (name) DO UPDATE SET
                    beat_at = clock_timestamp(),
                    breaker = excluded.breaker,
                    breaker_error = excluded.breaker_error,
                    probe_pause = least(%s, greatest(excluded.probe_pause, heartbeat.probe_pause * 2)),
                    probe_at = clock_timestamp() + make_interval(
                        secs => least(%s, greatest(excluded.probe_pause, heartbeat.probe_pause * 2)))
                """,
                [conf.queue.name, state, error, first, first, longest, longest],
            )
