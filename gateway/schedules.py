"""Rows that make django-q2 start work by the clock; made after `migrate`, then the operator's."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import connections
from django_q.models import Schedule


def ensure(using: str, func: str, **defaults: Any) -> None:
    """Makes the row that calls `func`, where django-q2's tables are.

    A row that exists stays as it is; its repeats set to 0 switch it off.
    """
    if using != settings.Q_CLUSTER.get("orm", "default"):
        return
    if Schedule._meta.db_table not in connections[using].introspection.table_names():
        return
    Schedule.objects.using(using).get_or_create(func=func, defaults=defaults)
