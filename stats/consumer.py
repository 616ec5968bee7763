"""The consumer: drains all that is due, one transaction for some batches at a time.

A delivery is counted and committed first (`queue.claim`). Then one transaction inserts the unseen events,
rolls up just those, buries what never can be counted and deletes the batches: all of it or nothing. The same
transaction counts the delivery of what comes next, which is sorted while PostgreSQL works.
"""

from __future__ import annotations

import gc
import logging
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, lru_cache, partial

from django.db import Error, connections, transaction

from gateway import queue
from gateway.conf import conf
from gateway.events import UndecodableEvent, split_batch
from gateway.logs import printable
from gateway.queue import Claimed
from gateway.timings import CONSUMPTION, timings
from stats import dead_letters, heartbeat, partitions, pausing, refresher, triage
from stats.breaker import Breaker
from stats.dead_letters import Failure
from stats.errors import is_environment, is_timeout, is_transient, one_line
from stats.models import DeadLetter
from stats.store import store
from stats.tally import tally_up

logger = logging.getLogger(__name__)

TRIES = 3  # of a transaction that deadlocked or failed to serialize
LOOK_SECONDS = 0.2  # between two looks while events keep coming
QUIET_SECONDS = 0.5  # without events, and the next doorbell is waited for
ATTEND_SECONDS = 2.0  # one task; a worker that is to stop ends its task first
GIVE_BACK_SECONDS = 1.0  # a batch's rest after the environment failed it


class EnvironmentFailed(Exception):
    """The database is away, full, locked or read-only. The drain ends; the bell rings again."""


@dataclass(slots=True)
class Totals:
    """What one drain did."""

    batches: int = 0
    inserted: int = 0
    duplicates: int = 0
    dead: int = 0


class Work:
    """One delivery of some batches."""

    def __init__(self, claims: Sequence[Claimed]) -> None:
        self.claims = claims
        self._sorted: dict[int, triage.Sorted] = {}

    @cached_property
    def batches(self) -> dict[int, triage.Sorted]:
        """By the id of the batch."""
        return {claimed.id: self._sorted.get(claimed.id) or triage.sort(claimed) for claimed in self.claims}

    def pieces(self) -> Iterator[Callable[[], None]]:
        """The sorting of the batches, in pieces that may be done before their turn comes."""
        return (partial(self._sort, claimed) for claimed in self.claims)

    def _sort(self, claimed: Claimed) -> None:
        with suppress(Exception):  # it is raised again when the batch has its turn
            self._sorted[claimed.id] = triage.sort(claimed)


@dataclass(slots=True)
class Consumer:
    """What a worker process remembers between two drains."""

    breaker: Breaker = field(default_factory=Breaker)
    # Deliveries the environment failed and that could not be given back, since it was away.
    owed: list[tuple[Sequence[Claimed], str]] = field(default_factory=list)
    _ahead: Work | None = None

    def drain(self, *, attend: bool = False) -> Totals:
        """Works on all that is due, for `TRAFFIC_DRAIN_SECONDS` at most; rings if more is left.

        If it is to `attend`, it goes on looking while events keep coming: one transaction every
        `LOOK_SECONDS` costs a fraction of one for each hand-over, with a doorbell each.
        """
        totals = Totals()
        self._ahead = None
        try:
            self._settle_debts()
            heartbeat.beat()
            partitions.ensure_ahead(datetime.now(UTC))
            if self._drain(totals, ATTEND_SECONDS if attend else 0.0):
                queue.ring()
        except (EnvironmentFailed, Error, OSError) as error:
            connections[conf.database].close()
            if self._ahead is not None:
                self.owed.append((self._ahead.claims, "claimed ahead"))
            if not isinstance(error, EnvironmentFailed) and not is_environment(error):
                raise
            logger.warning("Drain ended early, nothing is lost: %s", one_line(error))
        return totals

    def _drain(self, totals: Totals, attend_seconds: float) -> bool:
        """Whether there may be more to do."""
        started_at = time.monotonic()
        ends_at = started_at + conf.drain_seconds
        found_at = float("-inf")
        while self._ahead is not None or time.monotonic() < ends_at:
            if pausing.is_paused() or not self.breaker.load():
                if self._ahead is not None:
                    queue.give_back(self._ahead.claims, "claimed ahead", delay=0)
                return False
            work = self._next()
            now = time.monotonic()
            if work is not None:
                found_at = now
                may_claim = not self.breaker.is_open and now < ends_at
                self._ahead = self._process(work, totals, may_claim=may_claim)
            elif now - found_at >= QUIET_SECONDS or not attend_seconds:
                return False
            elif now - started_at >= attend_seconds:
                return True
            else:
                time.sleep(LOOK_SECONDS)
        return True

    def _next(self) -> Work | None:
        """What was claimed ahead, or else what is due."""
        work, self._ahead = self._ahead, None
        if work is None and (claims := queue.claim(probe=self.breaker.is_open)):
            work = Work(claims)
        return work

    def _settle_debts(self) -> None:
        while self.owed:
            claims, error = self.owed[0]
            queue.give_back(claims, error, delay=0)
            del self.owed[0]

    def _process(self, work: Work, totals: Totals, *, may_claim: bool) -> Work | None:
        """One delivery of some batches, to the end, whatever that is. What it claimed ahead, if anything."""
        claims = work.claims
        if len(claims) == 1 and claims[0].deliveries > claims[0].max_deliveries:
            # Nobody was left to say how the last delivery ended.
            self._give_up(claims[0], "the consumer died on every delivery", "")
            return None
        try:
            counted = _count(work, totals, may_claim=may_claim)
        except Exception as error:  # noqa: BLE001  (whatever a batch does, it must not stop the queue)
            partitions.forget()
            self._failed(claims, error)
            return None
        if counted.is_ours:
            self.breaker.succeeded()
            refresher.counted(len(claims))
        return counted.ahead

    def _failed(self, claims: Sequence[Claimed], error: Exception) -> None:
        reason = one_line(error)
        # What takes too long together may not singly; otherwise it would be given back together for ever.
        if is_environment(error) and not (is_timeout(error) and len(claims) > 1):
            self.owed.append((claims, reason))
            raise EnvironmentFailed(reason) from error
        logger.warning("Batches failed: %s | %s", [claimed.id for claimed in claims], printable(reason))
        if len(claims) > 1:
            for claimed in claims:  # each alone from now on, at once: all but one are innocent
                queue.retry(claimed, reason, delay=0)
            return
        (claimed,) = claims
        # Only what can't be halved any more says something about the whole: a batch may hold one bad event.
        if claimed.events == 1:
            self.breaker.failed(claimed.origin, reason, exhausted=claimed.is_last_delivery)
        if self.breaker.is_open and claimed.events == 1:
            queue.give_back(claims, reason, delay=GIVE_BACK_SECONDS, failed=True)
        elif claimed.is_last_delivery:
            self._give_up(claimed, reason, traceback.format_exc())
        else:
            queue.retry(claimed, reason, delay=conf.retry_delay * 2 ** (claimed.deliveries - 1))

    def _give_up(self, claimed: Claimed, error: str, trace: str) -> None:
        """Halves the batch, until the guilty event stands alone and becomes a dead letter."""
        try:
            events = split_batch(claimed.payload)
        except UndecodableEvent:
            events = []
        with transaction.atomic(using=conf.database):
            if not queue.hold([claimed]):
                return
            if len(events) > 1:
                queue.halve(claimed, events, error)
                return
            failure = Failure(
                payload=events[0] if events else claimed.payload,
                reason=DeadLetter.Reason.EXHAUSTED,
                error=error,
                deliveries=claimed.deliveries,
                traceback=trace,
                first_failed_at=claimed.first_failed_at,
                origin=claimed.origin,
            )
            dead_letters.bury([failure])
            queue.finish([claimed])
            heartbeat.beat(batches=1, dead=1)


@dataclass(slots=True)
class Counted:
    """What one transaction did."""

    is_ours: bool  # whether any of the batches still was
    ahead: Work | None = None  # claimed in the same transaction


def _count(work: Work, totals: Totals, *, may_claim: bool) -> Counted:
    """Stores the batches in one transaction, tried again if another one got in its way."""
    for found in work.batches.values():
        partitions.ensure(partitions.days_of(found.events))
    for attempt in range(1, TRIES + 1):
        try:
            return _count_once(work, totals, may_claim=may_claim)
        except Error as error:
            if attempt == TRIES or not is_transient(error):
                raise
            logger.warning("Transaction tried again: %s", one_line(error))
    return Counted(is_ours=False)


def _count_once(work: Work, totals: Totals, *, may_claim: bool) -> Counted:
    started = time.perf_counter()
    batches = work.batches
    ahead: Work | None = None
    with transaction.atomic(using=conf.database):
        held = queue.hold(work.claims)
        if not held:
            return Counted(is_ours=False)
        if may_claim and (claims := queue.claim_ahead(held)):
            ahead = Work(claims)
        stored = store(
            [event for claimed in held for event in batches[claimed.id].events],
            list(ahead.pieces()) if ahead else [],
        )
        tallies = tally_up(held, batches, stored)
        dead_letters.bury([failure for tally in tallies for failure in tally.failures])
        for claimed in held:
            found = batches[claimed.id]
            if found.later:
                queue.put_off(claimed, found.later, found.later_why, found.later_seconds)
        queue.finish(held)
        heartbeat.beat(
            batches=len(held),
            events=len(stored.inserted),
            duplicates=sum(tally.duplicates for tally in tallies),
            dead=sum(len(tally.failures) for tally in tallies),
        )
    seconds = time.perf_counter() - started
    timings.observe(CONSUMPTION, seconds / len(held))
    timings.write()
    milliseconds = seconds * 1000
    for tally in tallies:
        tally.log(milliseconds / len(tallies))
        totals.batches += 1
        totals.inserted += len(tally.inserted)
        totals.duplicates += tally.duplicates
        totals.dead += len(tally.failures)
    return Counted(is_ours=True, ahead=ahead)


_consumer = Consumer()


@lru_cache(maxsize=1)
def _spare_the_garbage_collector() -> None:
    """What is there by now stays as long as the process: not to be searched in the midst of transactions."""
    gc.freeze()


def drain(*, attend: bool = False) -> Totals:
    """Drains the queue with what this process remembers. Raises what is no fault of the environment."""
    _spare_the_garbage_collector()
    return _consumer.drain(attend=attend)
