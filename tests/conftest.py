"""Fixtures that most tests share."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connections

from gateway import queue, sender
from gateway.events import TrafficEvent, encode
from gateway.idempotency import generate_idempotent_id, hash_ip
from legacy_collector.retention import occupancy
from stats import consumer as consumer_module
from stats import partitions

BOTH = ["default", "legacy"]
ROLLUPS = (
    *("stats_pathstatshourly", "stats_pathstatsdaily", "stats_totalshourly", "stats_totalsdaily"),
    *("stats_topvalueshourly", "stats_topvaluesdaily", "stats_trafficday"),
)
NOON = 1_763_900_000_000  # ms: 2025-11-23, 12:13 UTC


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = os.environ.get("TALLYGATE_TEST_VAR_DIR")
    if folder and not hasattr(config, "workerinput"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def store(transactional_db: None, django_db_blocker: Any) -> Iterator[None]:
    """Empty tables in both databases, and a consumer that remembers nothing."""
    with connections["default"].cursor() as cursor:
        cursor.execute("TRUNCATE stats_event, stats_deadletter, gateway_queuedbatch, " + ", ".join(ROLLUPS))
    partitions.forget()
    occupancy.count()
    yield
    consumer_module._consumer = consumer_module.Consumer()


@pytest.fixture
def fresh_sender(monkeypatch: pytest.MonkeyPatch) -> Iterator[sender.Sender]:
    """A sender of this test's own, stopped at its end."""
    one = sender.Sender()
    monkeypatch.setattr(sender, "_sender", one)
    yield one
    one.stop(5.0)


@pytest.fixture
def make_event() -> Callable[..., TrafficEvent]:
    """Events as the middleware makes them: the id follows from the fields."""
    numbers = itertools.count(1)

    def make(**fields: Any) -> TrafficEvent:
        number = next(numbers)
        values: dict[str, Any] = {
            "timestamp": NOON + number,
            "path": f"/api/items/{number}",
            "route": "/api/items/{id}",
            "method": "GET",
            "status": 200,
            "response_time": 12.5,
            "client_ip_hash": hash_ip("192.0.2.1"),
            "request_id": f"request-{number}",
            "host": "testserver",
            "user_agent": "pytest",
            "response_bytes": 100,
            **fields,
        }
        values.setdefault(
            "idempotent_id",
            generate_idempotent_id(
                values["timestamp"], values["client_ip_hash"], values["path"], values["request_id"]
            ),
        )
        return TrafficEvent(**values)

    return make


@pytest.fixture
def send(store: None) -> Callable[..., int]:
    """Queues events as the sender does."""

    def send_events(*events: TrafficEvent) -> int:
        return queue.send([encode(event) for event in events])

    return send_events
