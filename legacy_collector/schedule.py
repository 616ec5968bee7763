"""The replay of what the collector took during an outage, once a minute."""

from __future__ import annotations

from typing import Any

from django_q.models import Schedule

from gateway import schedules
from legacy_collector.replay import SCHEDULED


def create_schedule(using: str, **kwargs: Any) -> None:
    """A receiver of `post_migrate`."""
    schedules.ensure(
        using, SCHEDULED, name="Replay fallback events", schedule_type=Schedule.MINUTES, minutes=1
    )
