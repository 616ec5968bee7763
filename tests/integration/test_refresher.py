"""The worker makes the snapshot beside its counting: often enough, not too often, and in nobody's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from gateway.events import TrafficEvent
from stats import models, refresher, reports, snapshot, tasks
from stats.consumer import drain
from stats.refresher import Refresher
from tests.conftest import BOTH
from tests.integration.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True, databases=BOTH)


class Ended(Exception):
    """Ends the thread of a test's refresher."""


class Beside:
    """A refresher in a thread of its own, which can be ended; `pauses` are what it slept for."""

    def __init__(self, refresh: Callable[[], object] = snapshot.refresh) -> None:
        self.made = 0
        self.pauses: list[float] = []
        self._refresh = refresh
        self._may_go_on = threading.Semaphore(0)
        self._ends = False
        self.refresher = Refresher(self._count)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def after_pause(self) -> None:
        """Lets the time of one pause pass."""
        self._may_go_on.release()

    def end(self) -> None:
        self._ends = True
        self._may_go_on.release()
        self.refresher.ask()
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()

    def _count(self) -> None:
        if not self._ends:
            self._refresh()
        self.made += 1

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self._may_go_on.acquire()
        if self._ends:
            raise Ended

    def _run(self) -> None:
        try:
            self.refresher.run(self._sleep)
        except Ended:
            pass
        finally:
            connections.close_all()


@pytest.fixture(autouse=True)
def _without_snapshot(store: None) -> None:
    models.Snapshot.objects.all().delete()


@pytest.fixture
def beside() -> Iterator[Beside]:
    one = Beside()
    yield one
    one.end()


@pytest.fixture
def count(make_event: Callable[..., TrafficEvent], send: Callable[..., int]) -> Callable[[int], None]:
    """Counts so many requests of this moment."""

    def count_events(number: int) -> None:
        now = round(time.time() * 1000)
        send(*(make_event(timestamp=now - index) for index in range(number)))
        drain()

    return count_events


@pytest.fixture
def other() -> Iterator[BaseDatabaseWrapper]:
    """A second connection, which may hold locks."""
    second = connection.copy()
    yield second
    second.close()


def kept_requests() -> int | None:
    """What the snapshot says; None if there is none."""
    found = snapshot.read()
    return found.overview.current.requests if found.data_source == "snapshot" else None


def test_ten_counted_batches_make_one(beside: Beside, count: Callable[[int], None]) -> None:
    count(4)
    beside.refresher.counted(9)
    assert not wait_for(lambda: beside.made > 0, 0.3)
    beside.refresher.counted(1)
    assert wait_for(lambda: beside.made == 1, 5)
    assert kept_requests() == 4


def test_a_flood_of_batches_makes_one_in_five_seconds(beside: Beside) -> None:
    beside.refresher.counted(10)
    assert wait_for(lambda: beside.pauses == [5.0], 5)
    for _ in range(50):
        beside.refresher.counted(10)
    assert not wait_for(lambda: beside.made > 1, 0.3)
    beside.after_pause()
    assert wait_for(lambda: beside.made == 2, 5)
    beside.after_pause()
    assert not wait_for(lambda: beside.made > 2, 0.3)


def test_what_is_counted_during_a_refresh_is_in_the_next_one(count: Callable[[int], None]) -> None:
    count(3)
    begun, may_end = threading.Event(), threading.Event()

    def slow() -> None:
        snapshot.refresh()
        begun.set()
        may_end.wait(10)

    beside = Beside(slow)
    beside.refresher.counted(10)
    assert begun.wait(5)
    count(2)
    beside.refresher.counted(10)
    may_end.set()
    beside.after_pause()
    assert wait_for(lambda: beside.made == 2, 5)
    assert kept_requests() == 5
    beside.end()


def test_the_consumer_tells_how_many_batches_it_counted(
    monkeypatch: pytest.MonkeyPatch,
    make_event: Callable[..., TrafficEvent],
    send: Callable[..., int],
) -> None:
    counted: list[int] = []
    monkeypatch.setattr(refresher, "counted", counted.append)
    send(*(make_event() for _ in range(201)))
    drain()
    assert sum(counted) == 3


def test_the_schedule_only_asks_and_the_worker_goes_on_counting(
    monkeypatch: pytest.MonkeyPatch, beside: Beside, count: Callable[[int], None]
) -> None:
    count(2)
    monkeypatch.setattr(refresher, "ask", beside.refresher.ask)
    tasks.refresh_snapshot()
    assert wait_for(lambda: beside.made == 1, 5)
    assert kept_requests() == 2


def test_a_refresh_that_hangs_keeps_nobody_from_counting_and_is_logged(
    beside: Beside,
    count: Callable[[int], None],
    other: BaseDatabaseWrapper,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Somebody holds a table that only readers need: the refresh gives up after 2 s."""
    count(4)
    with other.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE stats_totalsdaily IN ACCESS EXCLUSIVE MODE")
        beside.refresher.counted(10)
        started = time.monotonic()
        count(2)
        assert time.monotonic() - started < 1.0
        assert wait_for(lambda: bool(beside.pauses), snapshot.SECONDS)
        cursor.execute("ROLLBACK")
    assert "Snapshot not refreshed: ReportTimedOut" in caplog.text
    beside.after_pause()
    beside.refresher.ask()
    assert wait_for(lambda: kept_requests() == 6, 5)
    assert reports.overview(reports.Range.last("24h")).current.requests == 6


def test_a_database_that_refuses_is_logged_and_asked_again(
    count: Callable[[int], None], caplog: pytest.LogCaptureFixture
) -> None:
    """The refresh's own connection is really ended in the middle of it."""
    count(4)
    broken = iter([True, False])

    def refresh() -> None:
        if next(broken):
            with connections["default"].cursor() as cursor:
                cursor.execute("SELECT pg_terminate_backend(pg_backend_pid())")
        snapshot.refresh()

    beside = Beside(refresh)
    beside.refresher.ask()
    assert wait_for(lambda: bool(beside.pauses), 5)
    assert "Snapshot not refreshed: " in caplog.text
    beside.after_pause()
    beside.refresher.ask()
    assert wait_for(lambda: kept_requests() == 4, 5)
    beside.end()
