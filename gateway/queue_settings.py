"""`TRAFFIC_QUEUE`: its defaults, and django-q2's `Q_CLUSTER` derived from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

QUEUE_DEFAULTS: dict[str, Any] = {
    "name": "traffic-events",
    "max_batch_size": 100,
    "max_batch_timeout": 5,
    "max_retries": 3,
    "max_concurrency": 1,
    "dead_letter_queue": "traffic-events-dlq",
}


@dataclass(frozen=True)
class QueueSettings:
    """`TRAFFIC_QUEUE`: names and meanings are those of the queue it is modelled on."""

    name: str
    max_batch_size: int  # events a batch, at most
    max_batch_timeout: float  # seconds an event may wait in its process before it is sent
    max_retries: int  # deliveries after the first, before a batch is halved
    max_concurrency: int  # consumers at work at once; only 1 is supported
    dead_letter_queue: str


def q_cluster(queue: Mapping[str, Any], database: str = "default") -> dict[str, Any]:
    """django-q2's `Q_CLUSTER`, derived from `TRAFFIC_QUEUE`.

    A task of ours is only a doorbell, so a failed one is acknowledged (`ack_failures`): the batches it
    announced are still in our own table. `save_limit` -1 keeps django-q2 from locking and loading its
    saved successes for every task. `poll` and `guard_cycle` weigh the seconds until a
    doorbell is heard, and until a dead process is replaced, against what an idle cluster costs.
    """
    options = {**QUEUE_DEFAULTS, **queue}
    return {
        "name": options["name"],
        "label": _("Task queue"),  # a section of the admin
        "orm": database,
        "broker_class": "gateway.broker.PatientBroker",
        "workers": options["max_concurrency"],
        "timeout": 60,
        "retry": 300,
        "max_attempts": options["max_retries"] + 1,
        "ack_failures": True,
        "save_limit": -1,
        "catch_up": False,
        "poll": 0.25,
        "guard_cycle": 1.0,
        "bulk": 1,
        "queue_limit": 1,
    }
