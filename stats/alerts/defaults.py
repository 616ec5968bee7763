"""The rules that are there from the start, without channels; then they are the operator's.

A rule that exists stays as it is, whatever became of it; only one that a new version brings is made.
"""

from __future__ import annotations

from typing import Any

from django.db import connections

from gateway.conf import conf
from stats.alerts.measures import Measure
from stats.models import AlertRule

CRITICAL = AlertRule.Severity.CRITICAL

SHIPPED: dict[str, dict[str, Any]] = {
    "server_errors": {
        "name": "Server errors",
        "measure": Measure.SERVER_ERROR_RATE,
        "bound": 5.0,
        "clears_at": 2.0,
        "severity": CRITICAL,
    },
    "errors": {
        "name": "Errors",
        "measure": Measure.ERROR_RATE,
        "bound": 30.0,
        "clears_at": 20.0,
        "hold_minutes": 5,
    },
    "slow": {
        "name": "Slow responses",
        "measure": Measure.P95,
        "bound": 2_000.0,
        "clears_at": 1_500.0,
        "hold_minutes": 10,
    },
    "jump": {
        "name": "Much more traffic",
        "measure": Measure.TRAFFIC_JUMP,
        "bound": 200.0,
        "clears_at": 100.0,
        "hold_minutes": 15,
        "minimum_requests": 300,
    },
    "drop": {
        "name": "Much less traffic",
        "measure": Measure.TRAFFIC_DROP,
        "bound": 70.0,
        "clears_at": 50.0,
        "hold_minutes": 15,
        "minimum_requests": 300,
    },
    "backlog": {
        "name": "Backlog",
        "measure": Measure.BACKLOG,
        "bound": 100_000.0,
        "clears_at": 10_000.0,
        "hold_minutes": 5,
    },
    "oldest": {
        "name": "Events wait too long",
        "measure": Measure.OLDEST_AGE,
        "bound": 60.0,
        "clears_at": 10.0,
        "hold_minutes": 2,
        "severity": CRITICAL,
    },
    "dead_letters": {
        "name": "Dead letters",
        "measure": Measure.DEAD_LETTERS,
        "bound": 1.0,
        "clears_at": 0.0,
        "hold_minutes": 1,
    },
    "silence": {
        "name": "Consumer silent",
        "measure": Measure.HEARTBEAT_AGE,
        "bound": 60.0,
        "clears_at": 30.0,
        "hold_minutes": 1,
        "severity": CRITICAL,
    },
    "fallback": {
        "name": "Fallback in use",
        "measure": Measure.FALLBACK,
        "bound": 1.0,
        "clears_at": 0.0,
        "hold_minutes": 3,
    },
}


def create_rules(using: str, **kwargs: Any) -> None:
    """A receiver of `post_migrate`."""
    if using != conf.database:
        return
    if AlertRule._meta.db_table not in connections[using].introspection.table_names():
        return
    rules = AlertRule.objects.using(using)
    for key, fields in SHIPPED.items():
        # A name that an operator has given to a rule of his own is taken.
        if not rules.filter(shipped_as=key).exists() and not rules.filter(name=fields["name"]).exists():
            rules.create(shipped_as=key, **fields)
