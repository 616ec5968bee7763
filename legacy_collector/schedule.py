"""The row that makes django-q2 replay each minute; made after `migrate`, then the operator's."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connections
from django_q.models import Schedule

from legacy_collector.replay import SCHEDULED


def create_schedule(using: str, **kwargs: Any) -> None:
    """A receiver of `post_migrate`. A row that exists stays as it is; its repeats set to 0 switch it off."""
    if using != settings.Q_CLUSTER.get("orm", "default"):
        return
    if Schedule._meta.db_table not in connections[using].introspection.table_names():
        return
    Schedule.objects.using(using).get_or_create(
        func=SCHEDULED,
        defaults={"name": "Replay fallback events", "schedule_type": Schedule.MINUTES, "minutes": 1},
    )
