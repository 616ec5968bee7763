"""What became of each batch of a transaction, for its log line and the totals."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.conf import conf
from gateway.events import TrafficEvent, encode
from gateway.logs import printable
from gateway.queue import Claimed
from stats.dead_letters import Failure
from stats.models import DeadLetter
from stats.store import Stored
from stats.triage import Sorted

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Tally:
    """What became of one batch."""

    claimed: Claimed
    inserted: list[TrafficEvent]
    duplicates: int
    failures: list[Failure]

    def log(self, milliseconds: float) -> None:
        logger.info(
            "Batch stored: %d | Events: %d | Inserted: %d | Duplicates: %d | Dead: %d | Time: %.1fms",
            self.claimed.id,
            self.claimed.events,
            len(self.inserted),
            self.duplicates,
            len(self.failures),
            milliseconds,
        )
        if conf.log_events:
            for event in self.inserted:
                logger.info(
                    "Event: %s | Path: %s | Status: %d | Time: %.3fms",
                    event.idempotent_id,
                    printable(event.path),
                    event.status,
                    event.response_time,
                )


def tally_up(held: Sequence[Claimed], batches: Mapping[int, Sorted], stored: Stored) -> list[Tally]:
    """Which batch an inserted id came from: the first that holds it."""
    if len(stored.inserted) == sum(len(batches[claimed.id].events) for claimed in held):
        # Nearly always: every event is new.
        return [
            Tally(claimed, batches[claimed.id].events, 0, list(batches[claimed.id].failures))
            for claimed in held
        ]
    unattributed = set(stored.inserted)
    colliding = {id(event) for event in stored.collisions}
    late = {id(event) for event in stored.late}
    tallies = []
    for claimed in held:
        found = batches[claimed.id]
        tally = Tally(claimed, [], 0, list(found.failures))
        for event in found.events:
            if id(event) in colliding:
                tally.failures.append(_collision(event, claimed))
            elif id(event) in late:
                tally.failures.append(_late(event, claimed))
            elif event.idempotent_id in unattributed:
                unattributed.discard(event.idempotent_id)
                tally.inserted.append(event)
            else:
                tally.duplicates += 1
        tallies.append(tally)
    return tallies


def _collision(event: TrafficEvent, claimed: Claimed) -> Failure:
    error = f"idempotent_id: {event.idempotent_id} is stored for another path or request id"
    return _failure(event, DeadLetter.Reason.COLLISION, error, claimed)


def _late(event: TrafficEvent, claimed: Claimed) -> Failure:
    error = "timestamp: the events of its day are dropped, so it may have been counted already"
    return _failure(event, DeadLetter.Reason.LATE, error, claimed)


def _failure(event: TrafficEvent, reason: DeadLetter.Reason, error: str, claimed: Claimed) -> Failure:
    return Failure(encode(event), reason, error, claimed.deliveries, origin=claimed.origin)
