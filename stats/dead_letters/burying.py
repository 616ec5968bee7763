"""How a dead letter is made: in the transaction that takes it out of the queue."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models.functions import Now

from gateway.conf import conf
from gateway.events import MAX_ROUTE, fields_of, storable
from gateway.idempotency import is_valid_idempotent_id
from gateway.logs import printable
from stats.models import DeadLetter

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """One thing that can't be counted, and why. `payload` is as it was received."""

    payload: bytes | str
    reason: DeadLetter.Reason
    error: str
    deliveries: int
    traceback: str = ""
    first_failed_at: datetime | None = None  # now, if there was no failure before
    origin: int | None = None  # the batch it came in, as its sender or a redrive queued it


def bury(failures: Sequence[Failure]) -> None:
    """Keeps them as dead letters; in the transaction that takes them out of the queue."""
    letters = letters_of(failures)
    DeadLetter.objects.using(conf.database).bulk_create(letters)
    for letter in letters:
        error = printable(letter.error)
        logger.error("Dead letter: %s | Reason: %s | %s", letter.event_id or "-", letter.reason, error)


def letters_of(failures: Sequence[Failure]) -> list[DeadLetter]:
    """Not kept yet. Raises django.db.Error."""
    earlier = _earlier_lives(failures)
    return [_letter(failure, earlier.get(failure.origin)) for failure in failures]


def _letter(failure: Failure, earlier: int | None) -> DeadLetter:
    event_id, route = known_of(failure.payload)
    return DeadLetter(
        event_id=event_id,
        route=route,
        payload=as_text(failure.payload),
        reason=failure.reason,
        error=as_text(failure.error),
        traceback=as_text(failure.traceback),
        deliveries=failure.deliveries,
        first_failed_at=failure.first_failed_at or Now(),
        earlier_id=earlier,
    )


def _earlier_lives(failures: Sequence[Failure]) -> dict[int | None, int]:
    """The letters whose redrive queued these batches, by batch. A batch's parts keep its number as origin."""
    origins = {failure.origin for failure in failures if failure.origin is not None}
    if not origins:
        return {}
    redriven = DeadLetter.objects.using(conf.database).filter(batch__in=origins)
    return dict(redriven.values_list("batch", "id"))


def known_of(payload: bytes | str) -> tuple[str | None, str]:
    """The id and the route that can be read of it: None and empty where they can't."""
    received = fields_of(payload) or {}
    event_id, route = received.get("idempotent_id"), received.get("route")
    return (
        event_id if is_valid_idempotent_id(event_id) else None,
        storable(route, MAX_ROUTE) if isinstance(route, str) else "",
    )


def as_text(value: bytes | str) -> str:
    """Text that PostgreSQL can hold."""
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    return text.encode("utf-8", "backslashreplace").decode().replace("\x00", "\\x00")
