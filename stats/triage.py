"""Sorts a claimed batch before the database sees it: what can be counted, what must wait, what never can."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway import queue
from gateway.events import (
    InvalidEvent,
    TrafficEvent,
    UndecodableEvent,
    decode,
    decode_batch,
    fields_of,
    split_batch,
)
from gateway.idempotency import FIRST_TIMESTAMP
from gateway.queue import Claimed
from stats.dead_letters import Failure
from stats.models import DeadLetter

FUTURE_TOLERANCE_MS = 5 * 60_000  # ahead of the database's clock by more than this waits
FUTURE_PATIENCE = 3600.0  # seconds in the queue, after which it is a dead letter


@dataclass(slots=True)
class Sorted:
    """A batch taken apart."""

    events: list[TrafficEvent] = field(default_factory=list)
    later: list[bytes] = field(default_factory=list)
    later_seconds: float = 0.0  # until the last of them may be counted
    later_why: str = "waits for its time"
    failures: list[Failure] = field(default_factory=list)


def sort(claimed: Claimed) -> Sorted:
    """Sorts the events of a batch, by the database's clock at the time of its claim."""
    events = decode_batch(claimed.payload)
    if events and queue.surely_fits(len(events), claimed.payload) and not _is_ahead(events, claimed):
        return Sorted(events)
    return _sort_singly(claimed)


def _is_ahead(events: list[TrafficEvent], claimed: Claimed) -> bool:
    latest = max([event.timestamp for event in events])
    return latest - claimed.claimed_at * 1000 > FUTURE_TOLERANCE_MS


def _sort_singly(claimed: Claimed) -> Sorted:
    """Something is wrong with the batch or one of its events: what, and with which."""
    found = Sorted()
    try:
        payloads = split_batch(claimed.payload)
    except UndecodableEvent as error:
        found.failures.append(_failure(claimed, claimed.payload, error))
        return found
    if not queue.fits(payloads):
        found.later, found.later_why = payloads, "taken apart: more than fits into one batch"
        return found
    for payload in payloads:
        try:
            event = decode(payload)
        except InvalidEvent as error:
            found.failures.append(_failure(claimed, payload, error))
            continue
        ahead = event.timestamp - claimed.claimed_at * 1000
        if ahead <= FUTURE_TOLERANCE_MS:
            found.events.append(event)
        else:
            _put_off(found, claimed, payload, ahead)
    return found


def _put_off(found: Sorted, claimed: Claimed, payload: bytes, ahead: float) -> None:
    """An event of tomorrow waits until its time has come, at most an hour in all."""
    patience = FUTURE_PATIENCE - (claimed.claimed_at - claimed.created_at.timestamp())
    if patience <= 0:
        error = f"timestamp: {ahead / 1000:.0f} s ahead of the database's clock, for an hour"
        reason = DeadLetter.Reason.FUTURE
        found.failures.append(Failure(payload, reason, error, claimed.deliveries, origin=claimed.origin))
        return
    found.later.append(payload)
    wait = min(patience, (ahead - FUTURE_TOLERANCE_MS) / 1000)
    found.later_seconds = max(found.later_seconds, wait)


def _failure(claimed: Claimed, payload: bytes | str, error: InvalidEvent) -> Failure:
    reason = _reason(payload, error)
    return Failure(payload, reason, str(error), claimed.deliveries, origin=claimed.origin)


def _reason(payload: bytes | str, error: InvalidEvent) -> DeadLetter.Reason:
    if isinstance(error, UndecodableEvent):
        return DeadLetter.Reason.UNDECODABLE
    if error.field in ("timestamp", "idempotent_id"):
        timestamp = (fields_of(payload) or {}).get("timestamp")
        if isinstance(timestamp, int) and timestamp < FIRST_TIMESTAMP:
            return DeadLetter.Reason.TOO_OLD
    return DeadLetter.Reason.SCHEMA
