"""Checks of django-q2's `Q_CLUSTER`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, register
from django.utils.module_loading import import_string

from gateway.checks.reading import TAG, error, is_number, read, warning
from gateway.conf import conf


@register(TAG)
def check_cluster(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E010 to E019, W004."""
    cluster = getattr(settings, "Q_CLUSTER", None)
    if not isinstance(cluster, Mapping):
        hint = "Q_CLUSTER = gateway.conf.q_cluster(TRAFFIC_QUEUE)"
        return [error(10, f"Q_CLUSTER: {cluster!r} is no dictionary", hint)]
    return [*_broker_problems(cluster), *_worker_problems(cluster), *_time_problems(cluster)]


def _broker_problems(cluster: Mapping[str, Any]) -> Iterator[CheckMessage]:
    others = [key for key in ("broker_class", "iron_mq", "sqs") if cluster.get(key)]
    if _is_orm_broker(cluster.get("broker_class")):
        others.remove("broker_class")
    if cluster.get("orm") != conf.database or others:
        instead = f" and {', '.join(others)} comes first" if others else ""
        text = f"Q_CLUSTER: orm is {cluster.get('orm')!r}, not {conf.database!r}{instead}"
        yield error(11, text, "The doorbell must be in one transaction with the batches it rings for.")
    name = cluster.get("cluster_name", cluster.get("name", "default"))
    wanted = read(lambda: conf.queue.name)
    if wanted and name != wanted:
        yield error(17, f"Q_CLUSTER: its name is {name!r}, but TRAFFIC_QUEUE's is {wanted!r}")


def _is_orm_broker(path: Any) -> bool:
    """Whether the broker class is django-q2's ORM broker or made from it."""
    try:
        from django_q.brokers.orm import ORM

        return issubclass(import_string(path), ORM)
    except Exception:  # noqa: BLE001 - whatever it is, it is none
        return False


def _worker_problems(cluster: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if cluster.get("workers") != 1 or cluster.get("workers") is True:
        yield error(12, f"Q_CLUSTER: workers is {cluster.get('workers')!r}, only 1 can work")
    attempts = cluster.get("max_attempts", 0)
    if not (is_number(attempts, int) and attempts >= 1):
        yield error(15, f"Q_CLUSTER: max_attempts is {attempts!r}, which is no bound")
    if cluster.get("sync"):
        yield error(16, "Q_CLUSTER: sync is on: the consumer would run inside the request")
    limit = cluster.get("save_limit", 250)
    if not (is_number(limit, int) and limit < 0):
        yield warning(
            4, f"Q_CLUSTER: save_limit is {limit!r}, which slows the consumer down", "save_limit: -1"
        )


def _time_problems(cluster: Mapping[str, Any]) -> Iterator[CheckMessage]:
    timeout: Any = cluster.get("timeout")
    retry: Any = cluster.get("retry", 60)
    if not (is_number(timeout) and timeout > 0):
        yield error(13, f"Q_CLUSTER: timeout is {timeout!r}, not a number of seconds above 0")
        return
    if not (is_number(retry) and retry >= 2 * timeout):
        yield error(14, f"Q_CLUSTER: retry is {retry!r} s, less than twice the timeout ({timeout} s)")
    drain = read(lambda: conf.drain_seconds)
    if drain is not None and 2 * drain >= timeout:  # a division overflows where a product does not
        text = f"TRAFFIC_DRAIN_SECONDS: {drain} s is not under half the task's timeout ({timeout} s)"
        yield error(18, text)
    lease = read(lambda: conf.lease)
    if lease is not None and lease > timeout:
        yield error(19, f"TRAFFIC_LEASE: {lease} s is longer than the task's timeout ({timeout} s)")
