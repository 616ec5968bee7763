"""The snapshot is there at once, says how old it is, and its making is in nobody's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from zlib import crc32

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from gateway.events import TrafficEvent
from legacy_collector.collector import collect
from stats import models, reports, snapshot
from stats.consumer import drain
from tests.conftest import BOTH

pytestmark = pytest.mark.django_db(transaction=True, databases=BOTH)


@pytest.fixture(autouse=True)
def _fresh(store: None) -> None:
    models.Snapshot.objects.all().delete()


@pytest.fixture
def count(make_event: Callable[..., TrafficEvent], send: Callable[..., int]) -> Callable[..., None]:
    """Counts so many requests of the last minute."""

    def count_events(number: int, route: str = "/now") -> None:
        now = round(time.time() * 1000)
        send(*(make_event(timestamp=now - index, route=route) for index in range(number)))
        drain()

    return count_events


@pytest.fixture
def other() -> Iterator[BaseDatabaseWrapper]:
    """A second connection."""
    second = connection.copy()
    yield second
    second.close()


def test_it_holds_what_the_reports_say_of_the_last_24_hours(count: Callable[..., None]) -> None:
    count(7)
    count(3, "/less")
    assert snapshot.refresh()
    kept = snapshot.read()
    assert kept.data_source == "snapshot"
    assert kept.overview.current == reports.overview(reports.Range.last("24h")).current
    assert [(row.route, row.matching) for row in kept.routes.rows] == [("/now", 7), ("/less", 3)]
    assert kept.routes.rows == reports.routes(reports.Range.last("24h")).rows
    assert 0 <= kept.age_seconds < 5


def test_without_one_the_database_answers(count: Callable[..., None]) -> None:
    count(4)
    found = snapshot.read()
    assert (found.data_source, found.overview.current.requests, found.age_seconds) == ("database", 4, 0.0)


@pytest.mark.parametrize("change", [{"version": snapshot.VERSION + 1}, {"payload": {"overview": 7}}])
def test_one_of_another_version_or_a_damaged_one_counts_as_missing(
    count: Callable[..., None], change: dict[str, object]
) -> None:
    count(4)
    snapshot.refresh()
    models.Snapshot.objects.update(**change)
    assert snapshot.read().data_source == "database"
    snapshot.refresh()
    assert snapshot.read().data_source == "snapshot"


def test_an_old_one_is_served_with_its_age(count: Callable[..., None]) -> None:
    count(4)
    snapshot.refresh()
    count(2)
    models.Snapshot.objects.update(made_at=datetime.now(UTC) - timedelta(hours=3))
    kept = snapshot.read()
    assert kept.overview.current.requests == 4
    assert kept.age_seconds == pytest.approx(3 * 3600, abs=60)


def test_one_process_at_a_time_makes_it_and_readers_do_not_wait(
    count: Callable[..., None], other: BaseDatabaseWrapper
) -> None:
    count(4)
    snapshot.refresh()
    count(2)
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [crc32(snapshot.NAME.encode())])
        started = time.monotonic()
        assert not snapshot.refresh()
        assert snapshot.read().overview.current.requests == 4
        assert time.monotonic() - started < 1
        cursor.execute("ROLLBACK")
    assert snapshot.refresh()
    assert snapshot.read().overview.current.requests == 6


def test_a_refresh_that_was_overtaken_changes_nothing(count: Callable[..., None]) -> None:
    count(4)
    snapshot.refresh()
    models.Snapshot.objects.update(made_at=datetime.now(UTC) + timedelta(hours=1), payload={"newer": True})
    snapshot.refresh()
    assert models.Snapshot.objects.get().payload == {"newer": True}


def test_while_the_queue_path_has_nothing_none_is_kept(make_event: Callable[..., TrafficEvent]) -> None:
    snapshot.refresh()
    assert (snapshot.read().data_source, models.Snapshot.objects.count()) == ("database", 0)
    collect([make_event(timestamp=round(time.time() * 1000))], {"legacy"}, replay=False)
    snapshot.refresh()
    found = snapshot.read()
    assert (found.data_source, found.overview.current.requests) == ("legacy", 1)


def test_a_reader_whom_the_collector_answers_gets_no_snapshot(
    count: Callable[..., None], make_event: Callable[..., TrafficEvent], settings: Any
) -> None:
    count(4)
    snapshot.refresh()
    collect([make_event(timestamp=round(time.time() * 1000))], {"dual"}, replay=False)
    settings.READ_FROM_LEGACY = ["user:ann"]

    found = snapshot.read("user:ann")
    assert (found.data_source, found.overview.current.requests) == ("legacy", 1)
    assert snapshot.read("user:ben").data_source == "snapshot"


def test_many_at_once_leave_one(count: Callable[..., None]) -> None:
    count(4)
    made: list[bool] = []

    def refresh() -> None:
        try:
            made.append(snapshot.refresh())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=refresh) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(made) == 6
    assert any(made)
    assert snapshot.read().overview.current.requests == 4


def test_the_command_makes_it_and_says_so(count: Callable[..., None]) -> None:
    count(4)
    out = StringIO()
    call_command("refresh_snapshot", stdout=out)
    assert out.getvalue() == "Snapshot refreshed\n"
    assert snapshot.read().data_source == "snapshot"


def test_the_command_says_in_one_line_what_the_database_refused(store: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE stats_snapshot RENAME TO stats_snapshot_away")
    try:
        with pytest.raises(CommandError, match="snapshot not refreshed: relation"):
            call_command("refresh_snapshot")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE stats_snapshot_away RENAME TO stats_snapshot")
