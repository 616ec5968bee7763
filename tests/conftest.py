"""Fixtures that most tests share."""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction
from django.test import TransactionTestCase

from gateway import modes, queue, sender
from gateway.events import TrafficEvent, encode
from gateway.facts import Facts
from gateway.idempotency import generate_idempotent_id, hash_ip
from legacy_collector.retention import occupancy
from legacy_collector.schedule import create_schedule
from stats import consumer as consumer_module
from stats import partitions, repairs
from stats.schedule import create_schedules

BOTH = ["default", "legacy"]
ROLLUPS = (
    *("stats_pathstatshourly", "stats_pathstatsdaily", "stats_totalshourly", "stats_totalsdaily"),
    *("stats_topvalueshourly", "stats_topvaluesdaily", "stats_trafficday"),
)
SAME_FOR_ALL = {"auth_permission", "django_content_type"}
SCHEDULES = "django_q_schedule"
_schedules: list[tuple[Any, ...]] = []  # their rows as `restore_schedules` made them last
NOON = 1_763_900_000_000  # ms: 2025-11-23, 12:13 UTC


def pytest_unconfigure(config: pytest.Config) -> None:
    folder = os.environ.get("TALLYGATE_TEST_VAR_DIR")
    if folder and not hasattr(config, "workerinput"):
        shutil.rmtree(folder, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start servers come first: they take longest, and wait while others compute.

    pytest-django puts them last, where one of two processes would soon have nothing left to do.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """The sender that requests of any test started keeps a session of the database that is to be dropped."""
    yield
    sender.current.stop(5.0)


@pytest.fixture(scope="session", autouse=True)
def _quick_flush() -> Iterator[None]:
    """After a test that commits, its rows are deleted; content types and permissions are the same for all.

    Django's own flush makes those anew each time, and truncates: for some rows in a hundred tables and
    partitions that takes a hundred times as long.
    """
    patch = pytest.MonkeyPatch()
    patch.setattr(
        TransactionTestCase, "_fixture_teardown", lambda case: delete_rows(case._databases_names(False))
    )
    yield
    patch.undo()


def delete_rows(aliases: Iterable[str]) -> None:
    """Leaves these databases as they are after `migrate`."""
    for alias in aliases:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            # Most tables are empty, and to ask is cheaper than to delete nothing.
            cursor.execute(
                " UNION ALL ".join(
                    f"SELECT '{table}' WHERE EXISTS (SELECT 1 FROM {table})"
                    for table in emptied_tables(alias)
                )
            )
            # In one transaction: foreign keys are looked at when it commits.
            for (table,) in cursor.fetchall():
                cursor.execute(f"DELETE FROM {table}")
        restore_schedules(alias)


@functools.cache
def emptied_tables(alias: str) -> list[str]:
    tables = connections[alias].introspection.django_table_names(only_existing=True, include_views=False)
    return sorted({*tables} - SAME_FOR_ALL - {SCHEDULES})


def restore_schedules(alias: str) -> None:
    """The schedules that `migrate` makes; they are as they were after most tests."""
    if alias != "default":
        return
    with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
        rows = f"SELECT * FROM {SCHEDULES} ORDER BY id"
        cursor.execute(rows)
        if cursor.fetchall() == _schedules:
            return
        cursor.execute(f"DELETE FROM {SCHEDULES}")
        create_schedules(alias)
        create_schedule(alias)
        cursor.execute(rows)
        _schedules[:] = cursor.fetchall()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Once a browser test has run in this process, Playwright's loop counts as running for all tests.

    Django has other connections where one runs, so it is out of sight from the first fixture to the last.
    """
    loop = asyncio._get_running_loop()
    if loop is None or item.path.parent.name == "browser":
        yield
        return
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(loop)


@pytest.fixture(autouse=True)
def _nothing_beside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repair that is asked for waits: its process would not find this test's database by itself."""
    if "beside" not in request.fixturenames:
        monkeypatch.setattr("stats.repairs.asking.start", lambda: False)


@pytest.fixture
def store(transactional_db: None, django_db_blocker: Any) -> Iterator[None]:
    """Empty tables in both databases, and a consumer that remembers nothing."""
    partitions.forget()
    modes.forget()
    occupancy.count()
    yield
    modes.forget()
    consumer_module._consumer = consumer_module.Consumer()


@pytest.fixture
def beside(store: None, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Repairs are carried out by a process of their own, on the running test's databases.

    As in a worker, somebody looks whether one is left: one that is asked for while the process before ends.
    """
    settings.VAR_DIR = tmp_path
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "tests.app_settings")
    for name, alias in (("TALLYGATE_TEST_DATABASE", "default"), ("TALLYGATE_TEST_LEGACY", "legacy")):
        monkeypatch.setenv(name, str(connections[alias].settings_dict["NAME"]))
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.5):
            repairs.start_if_left()
        connections.close_all()

    bell = threading.Thread(target=look)
    bell.start()
    yield
    is_over.set()
    bell.join()


@pytest.fixture
def fresh_sender(monkeypatch: pytest.MonkeyPatch) -> Iterator[sender.Sender]:
    """A sender of this test's own, stopped at its end."""
    one = sender.Sender()
    monkeypatch.setattr(sender, "current", one)
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
def make_facts() -> Callable[..., Facts]:
    """Facts of a request, each different; any field can be given."""
    numbers = itertools.count()

    def make(**fields: Any) -> Facts:
        number = next(numbers)
        values: dict[str, Any] = {
            "arrival": NOON + number,
            "duration": 12_500,
            "status": 200,
            "response_bytes": 100,
            "method": "GET",
            "path": f"/api/items/{number}",
            "pattern": None,
            "client_ip_hash": hash_ip("192.0.2.1"),
            "request_id": f"request-{number}",
            "host": "testserver",
            "user_agent": "pytest",
            "request_start": "",
            "country": "",
            **fields,
        }
        return Facts(**values)

    return make


@pytest.fixture
def send(store: None) -> Callable[..., int]:
    """Queues events as the sender does."""

    def send_events(*events: TrafficEvent) -> int:
        return queue.send([encode(event) for event in events])

    return send_events
