"""Decides when the task queue's cluster must be ended and started again, from outside it.

What is asked is whether the consumer shows signs of life, never how the cluster looks inside: each beat of
the heartbeat is one, and so is a statement that the database executes for the consumer right now. While the
database can't be asked nobody is blamed, and the clock starts anew when it is back. An open breaker keeps
the heartbeat, and so does a second cluster that works on the same queue.

A new cluster, and one of which a process was replaced, is asked to prove itself: the watch rings the
doorbell. The new process may wait on a lock that the dead one held, and the usual bounds would notice that
late (a worker) or never (a monitor).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from django.db import Error, connections

from gateway.conf import conf
from stats import bell, cluster_processes, heartbeat
from stats.cluster_processes import Member

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
MISSING_SECONDS = 5.0  # the sentinel replaces what died within one
ANSWER_SECONDS = 5.0  # a doorbell's way to a consumer that has nothing to do, with much to spare
ACKNOWLEDGE_SECONDS = 120.0  # its way through a backlog of doorbells, while the consumer works
START_SECONDS = 30.0  # a cluster's way to its first beat on a busy machine
COMPLAINT_SECONDS = 30.0


@dataclass(frozen=True)
class Figures:
    """What is known of a cluster at one moment, in seconds."""

    silent: float  # since the last sign of life, the cluster's start, or the database's return
    has_beaten: bool  # since its start
    due: float | None = None  # for how long a batch has waited to be claimed; None if there is none
    missing: float = 0.0  # for how long a process is gone, or stopped
    unanswered: float | None = None  # since the watch rang; None when that doorbell was acknowledged


def verdict(figures: Figures, stale: float) -> str | None:
    """Why the cluster must be started again, or None. `stale` is `TRAFFIC_STALE_SECONDS`."""
    if figures.missing >= MISSING_SECONDS:
        return f"a process of it is gone or stopped for {figures.missing:.0f} s"
    if figures.unanswered is not None and figures.has_beaten:
        # A consumer that works through a backlog of doorbells shows signs of life meanwhile.
        if min(figures.silent, figures.unanswered) >= ANSWER_SECONDS:
            return "nobody answers the doorbell, or nobody acknowledges its task"
        if figures.unanswered >= ACKNOWLEDGE_SECONDS:
            return f"nobody acknowledges a task for {figures.unanswered:.0f} s"
    bound = max(stale, START_SECONDS) if not figures.has_beaten else stale
    # An idle consumer shows a sign of life only when the bell rings: that it was idle is no fault of its.
    if figures.due is not None and min(figures.silent, figures.due) >= bound:
        return f"the consumer shows no sign of life for {figures.silent:.0f} s, while work is due"
    if figures.silent >= (bound + bell.IDLE_SECONDS if figures.has_beaten else bound):
        return f"the consumer shows no sign of life for {figures.silent:.0f} s, while the bell rings"
    return None


class Watch:
    """Of one cluster after another: what it saw so far, and since when. See `gateway.supervisor.Watch`."""

    def __init__(
        self,
        look: Callable[[int | None], heartbeat.Signs] = heartbeat.signs,
        ring: Callable[[], int] = bell.ring,
        members: Callable[[int], frozenset[Member]] = cluster_processes.sound_members,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look, self._ring, self._members, self._clock = look, ring, members, clock
        self._complained_at = float("-inf")
        self.began(0)

    def began(self, guard: int) -> None:
        """A new cluster runs below the process `guard`."""
        now = self._clock()
        self._guard = guard
        self._next_look = now
        self._seen: frozenset[Member] = frozenset()
        self._was_whole = False
        self._whole_at = now
        self._must_prove = True
        self._beat: str | None = None
        self._has_looked = self._has_beaten = self._was_away = False
        self._due_since: float | None = None
        self._life_at = now
        self._doorbell: int | None = None
        self._rung_at = now

    def problem(self) -> str | None:
        """Why the cluster must be started again, or None. Asks the database once a second."""
        now = self._clock()
        self._see_processes(now)
        if now < self._next_look:
            return None
        try:
            self._see_signs(now)
        except (Error, OSError) as error:
            self._cannot_ask(error)
        self._next_look = self._clock() + LOOK_SECONDS
        return verdict(self._figures(self._clock()), conf.stale_seconds)

    def is_blameless(self) -> bool:
        """Whether the cluster has worked since it began, or the database was away meanwhile."""
        return self._has_beaten or self._was_away

    def _see_processes(self, now: float) -> None:
        members = self._members(self._guard)
        if self._seen - members:
            self._must_prove = True
        self._seen = members
        if len(members) >= cluster_processes.expected():
            self._was_whole, self._whole_at = True, now

    def _see_signs(self, now: float) -> None:
        """Raises django.db.Error and OSError."""
        signs = self._look(self._doorbell)
        if signs.beat != self._beat and self._has_looked:
            # The first look only learned what the cluster before left.
            if not self._has_beaten:
                self._has_beaten, self._rung_at = True, now
            self._life_at = now
        self._beat = signs.beat
        if signs.is_busy:
            self._life_at = now
        self._has_looked = True
        if not signs.is_due:
            self._due_since = None
        elif self._due_since is None:
            self._due_since = now
        if not signs.has_doorbell:
            self._doorbell = None
        if self._must_prove and self._doorbell is None:
            self._doorbell = self._ring()
            self._rung_at, self._must_prove = now, False

    def _cannot_ask(self, error: Exception) -> None:
        connections[conf.database].close()
        # Only now: asking may have taken a while.
        now = self._clock()
        self._was_away = True
        self._due_since = None
        self._life_at = now
        if self._doorbell is not None:
            self._doorbell, self._must_prove = None, True
        if now - self._complained_at >= COMPLAINT_SECONDS:
            self._complained_at = now
            logger.warning("Worker watch can't ask the database: %s", " ".join(str(error).split()))

    def _figures(self, now: float) -> Figures:
        # Its own processes count here, since the beats may be another cluster's.
        is_starting = not self._was_whole and now - self._whole_at < START_SECONDS
        return Figures(
            silent=now - self._life_at,
            has_beaten=self._has_beaten,
            due=None if self._due_since is None else now - self._due_since,
            missing=0.0 if is_starting else now - self._whole_at,
            unanswered=None if self._doorbell is None else now - self._rung_at,
        )
