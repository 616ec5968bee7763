"""Where the collector's tables are, what a file that can't be written does, and what the checks say."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.checks import run_checks
from django.db import connections
from django.test import override_settings

from legacy_collector.collector import CollectorRefused, collect, readiness
from legacy_collector.models import CollectedEvent
from legacy_collector.retention import occupancy
from legacy_collector.router import LegacyRouter

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

FALLBACK = {"fallback"}


@pytest.fixture(autouse=True)
def _recounted() -> None:
    """The tables were emptied behind the collector's back."""
    occupancy.count()


@pytest.fixture
def read_only() -> Iterator[None]:
    """The collector's connection may look, but not write, as on a full or write-protected disk."""
    connection = connections["legacy"]
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = 1")
    yield
    connection.close()


def test_a_store_that_cannot_be_written_refuses(read_only, make_event):
    with pytest.raises(CollectorRefused, match="readonly"):
        collect([make_event()], FALLBACK, replay=True)


def test_the_connection_of_a_refusal_is_not_kept(read_only, make_event):
    with pytest.raises(CollectorRefused):
        collect([make_event()], FALLBACK, replay=True)

    assert collect([make_event()], FALLBACK, replay=True) == 1


def test_a_refused_batch_leaves_nothing_behind(make_event):
    with connections["legacy"].cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TRIGGER refuse BEFORE INSERT ON legacy_collector_collectedhourly"
            " BEGIN SELECT RAISE(ABORT, 'no hours today'); END"
        )
    with pytest.raises(CollectorRefused, match="no hours today"):
        collect([make_event()], FALLBACK, replay=True)

    assert not CollectedEvent.objects.exists()


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("replay_pending ORDER BY idempotent_id LIMIT 1000", "collectedevent_pending"),
        ("NOT replay_pending AND collected_at < 'x' ORDER BY collected_at", "collectedevent_expiry"),
    ],
)
def test_replay_and_retention_read_only_what_they_are_after(sql, index):
    with connections["legacy"].cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN SELECT payload FROM legacy_collector_collectedevent WHERE " + sql)
        plan = " ".join(str(row[-1]) for row in cursor.fetchall())

    assert index in plan


def test_a_collector_that_cannot_write_is_not_ready(read_only):
    assert "readonly" in str(readiness())


def test_a_collector_without_tables_says_how_to_make_them(tmp_path):
    with another_file(tmp_path / "empty.sqlite3"):
        message = readiness()

    assert message == (
        "legacy collector: not migrated (manage.py migrate --database legacy creates its tables)"
    )


def test_a_collector_without_its_folder_is_not_ready(tmp_path):
    with another_file(tmp_path / "missing" / "collector.sqlite3"):
        message = readiness()

    assert message == "legacy collector: unable to open database file"


class another_file:  # noqa: N801
    """The collector's connection, on another SQLite file for a while."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._settings = connections["legacy"].settings_dict

    def __enter__(self) -> None:
        connections["legacy"].close()
        self._name, self._settings["NAME"] = self._settings["NAME"], str(self._path)

    def __exit__(self, *exc_info: object) -> None:
        connections["legacy"].close()
        self._settings["NAME"] = self._name


# --- where its tables are --------------------------------------------------------------------------


def test_the_collectors_tables_are_in_its_own_database_and_no_others_are():
    assert CollectedEvent.objects.db == "legacy"
    with closing(sqlite3.connect(connections["legacy"].settings_dict["NAME"])) as file:
        tables = {name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables - {"sqlite_sequence"} == {
        "django_migrations",
        "legacy_collector_collectedevent",
        "legacy_collector_collectedhourly",
    }
    assert "legacy_collector_collectedevent" not in connections["default"].introspection.table_names()


@override_settings(LEGACY_DATABASE="default")
def test_a_collector_in_the_queues_own_database_does_not_keep_other_apps_out():
    assert LegacyRouter().allow_migrate("default", "legacy_collector") is True
    assert LegacyRouter().allow_migrate("default", "stats") is None


# --- system checks ---------------------------------------------------------------------------------


def problems() -> list[str]:
    return [message.id for message in run_checks() if str(message.id).startswith("legacy_collector.")]


def databases(legacy: dict[str, object], queue: dict[str, object] | None = None) -> dict[str, object]:
    default = {**django_settings.DATABASES["default"], **(queue or {})}
    return {"default": default, "legacy": {**django_settings.DATABASES["legacy"], **legacy}}


def test_the_projects_own_settings_have_no_problem():
    assert problems() == []


@override_settings(LEGACY_DATABASE="elsewhere")
def test_a_missing_database_is_an_error():
    assert "legacy_collector.E001" in problems()


def test_a_missing_router_is_an_error(monkeypatch):
    monkeypatch.setattr("django.db.router.routers", [])

    assert problems() == ["legacy_collector.E002"]


@pytest.mark.parametrize(
    ("legacy", "queue", "problem"),
    [
        ({"OPTIONS": {"timeout": 2}}, {}, "legacy_collector.W001"),
        ({}, {"HOST": "db.example.org"}, "legacy_collector.W002"),
        (
            {"ENGINE": "django.db.backends.postgresql", "HOST": "db"},
            {"HOST": "db", "PORT": "5432"},
            "legacy_collector.W003",
        ),
    ],
)
def test_a_database_that_cannot_do_the_task_is_warned_of(monkeypatch, legacy, queue, problem):
    # Not override_settings: Django says that the connections would not notice.
    monkeypatch.setattr(django_settings, "DATABASES", databases(legacy, queue))

    assert problems() == [problem]
