"""Dead letters as the consumer makes them, of events that a person can mend."""

from __future__ import annotations

import json
from collections.abc import Sequence

from django.db import connection

from gateway import queue
from gateway.events import TrafficEvent, encode
from gateway.models import QueuedBatch
from stats.consumer import drain
from stats.models import DeadLetter, PathStatsHourly


def broken(event: TrafficEvent) -> str:
    """The event with a status that no answer has."""
    fields = json.loads(encode(event))
    return json.dumps({**fields, "status": 9_999})


def bury_broken(*events: TrafficEvent) -> list[DeadLetter]:
    """Sent as they are broken, and buried by the consumer: their letters, in the order of the events."""
    queue.enqueue([(f"[{broken(event)}]", 1) for event in events])
    drain()
    letters = {letter.event_id: letter for letter in DeadLetter.objects.filter(state="dead")}
    return [letters[event.idempotent_id] for event in events]


def deliver() -> None:
    """What waits for an undo is delivered, as if its minute were over."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gateway_queuedbatch SET visible_at = now(), created_at = now()")
    drain()
    assert not QueuedBatch.objects.exists()


def one(letter: DeadLetter) -> Sequence[DeadLetter]:
    return DeadLetter.objects.filter(pk=letter.pk)  # type: ignore[return-value]


def rolled_up() -> int:
    return sum(PathStatsHourly.objects.values_list("requests", flat=True))
