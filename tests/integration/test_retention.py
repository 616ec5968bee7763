"""A day goes when it is old, archived and nothing of it waits; and nobody is locked out while it goes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, connections
from django.db.models import F
from django.utils import timezone
from django_q.models import Task

from legacy_collector import collector
from stats import partitions
from stats.archive import patience, tables
from stats.models import (
    ArchivedFile,
    DeadLetter,
    Event,
    PathStatsHourly,
    TopValuesHourly,
    TotalsHourly,
    TrafficDay,
    WorkerStart,
)
from stats.retention import apply, dropping, hours, rows, waiting
from tests.integration.archive_days import (
    DAY,
    FIRST_MS,
    archive_in,
    command,
    count_events,
    drop_old,
    file_names,
    grow_old,
    hourly_requests,
    tables_like,
    the_day,
)
from tests.integration.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture(autouse=True)
def folder(store: None, settings: Any, tmp_path: Path) -> Path:
    settings.STORAGES = archive_in(tmp_path / "archive")
    settings.ARCHIVE_PART_EVENTS = 100
    return tmp_path / "archive"


@pytest.fixture
def person() -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Another session of the test's database."""
    with psycopg.connect(**connections["default"].get_connection_params() | {"context": None}) as session:
        yield session


def is_untouched(events: int) -> bool:
    return (Event.objects.count(), the_day().sealed_at) == (events, None) and tables.has_partition(DAY)


# --- events ----------------------------------------------------------------------------------------


def test_an_old_day_is_archived_and_dropped_and_its_statistics_stay(send, make_event, folder):
    count_events(send, make_event, 250)

    done = drop_old()

    assert done.archived == [DAY]
    assert (Event.objects.count(), hourly_requests()) == (0, 250)
    assert the_day().sealed_at is not None
    assert tables_like("stats_event_%20251123") == []
    assert len(list(folder.rglob("*.parquet"))) == 3
    assert apply().as_dict() | {"seconds": 0} == {
        **{name: [] for name in ("archived", "dropped", "hourly_days", "problems")},
        **dict.fromkeys(("empty_partitions", "leftover_tables", "hourly_rows"), 0),
        **dict.fromkeys(("dead_letters", "tasks", "archive_files", "seconds"), 0),
    }


def test_a_late_event_is_a_dead_letter_and_counts_nowhere(send, make_event):
    events = count_events(send, make_event, 20)
    drop_old()

    send(events[0])
    count_events(send, make_event, 1, timestamp=FIRST_MS + 500)

    assert list(DeadLetter.objects.values_list("reason", flat=True)) == ["late", "late"]
    assert (Event.objects.count(), hourly_requests()) == (0, 20)


@pytest.mark.parametrize(
    ("day", "last_arrival_days_ago", "is_due"),
    [
        (DAY, 2.9, False),  # an old day that was imported lately
        (DAY, 3.1, True),
        ((timezone.now() - timedelta(days=3)).date(), 3.1, False),  # it ended less than three days ago
        ((timezone.now() - timedelta(days=4)).date(), 3.1, True),
    ],
)
def test_the_age_counts_from_the_end_of_the_day_or_its_last_arrival(
    send, make_event, day, last_arrival_days_ago, is_due
):
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    count_events(send, make_event, 5, timestamp=int(noon.timestamp() * 1000))
    grow_old(day, last_arrival_days_ago)

    assert (apply().dropped == [day]) is is_due
    assert Event.objects.count() == (0 if is_due else 5)


def test_without_an_archive_old_days_are_dropped_unarchived(send, make_event, settings, folder):
    settings.ARCHIVE_EVENTS = False
    count_events(send, make_event, 20)

    drop_old()

    assert (Event.objects.count(), ArchivedFile.objects.count(), folder.exists()) == (0, 0, False)


def test_a_dry_run_says_what_would_go_and_changes_nothing(send, make_event, folder):
    count_events(send, make_event, 20)
    grow_old()
    letter("redriven", settled_days_ago=31)

    code, plan = command("apply_retention", "--dry-run")

    assert (code, plan["archived"], plan["dropped"], plan["dead_letters"]) == (
        *(0, ["2025-11-23"], ["2025-11-23"]),
        1,
    )
    assert is_untouched(20)
    assert (DeadLetter.objects.count(), ArchivedFile.objects.count(), folder.exists()) == (1, 0, False)


def test_a_day_of_which_events_wait_in_the_queue_is_kept(send, make_event):
    count_events(send, make_event, 20)
    send(make_event(timestamp=FIRST_MS + 700))
    grow_old()

    code, done = command("apply_retention")

    assert (code, done["dropped"]) == (1, [])
    assert "2025-11-23: not dropped, since events of it wait" in done["problems"][0]
    assert is_untouched(20)


def test_a_day_of_which_events_wait_in_the_collector_is_kept(send, make_event):
    count_events(send, make_event, 20)
    event = make_event(timestamp=FIRST_MS + 700)
    collector.collect([event], ["fallback"], replay=True)
    assert waiting.waiting_days() == {DAY}
    grow_old()

    assert apply().dropped == []
    assert is_untouched(20)


def test_nothing_is_dropped_while_the_queue_is_far_behind(send, make_event, monkeypatch):
    count_events(send, make_event, 20)
    monkeypatch.setattr(waiting, "MOST_EVENTS", 1)
    send(*(make_event() for _ in range(2)))
    grow_old()

    assert apply().problems == ["nothing dropped, though due (days: 1): 2 events wait in the queue"]
    assert is_untouched(20)


def test_a_version_that_is_not_the_archived_one_is_never_sealed(send, make_event):
    count_events(send, make_event, 20)
    day = grow_old()
    command("archive_events", "--day", "2025-11-23")
    count_events(send, make_event, 1, timestamp=FIRST_MS + 800)

    with pytest.raises(dropping.Changed):
        dropping._seal(day, True)
    assert is_untouched(21)


def test_a_tampered_file_stops_the_drop_and_is_written_anew(send, make_event, folder):
    count_events(send, make_event, 150)
    grow_old()
    command("archive_events", "--day", "2025-11-23")
    path = folder / file_names()[1]
    good = path.read_bytes()
    path.write_bytes(good[:-1] + b"?")

    code, done = command("apply_retention")

    assert (code, done["dropped"]) == (1, [])
    assert "checksum" in done["problems"][0]
    assert is_untouched(150)
    assert apply().dropped == [DAY]  # from the rows, which were all there
    assert path.read_bytes() == good


@pytest.mark.parametrize("fault", ["read-only", "in the way"])
def test_an_archive_that_cannot_be_written_stops_the_drop(send, make_event, folder, fault, settings):
    count_events(send, make_event, 20)
    grow_old()
    if fault == "read-only":
        if os.geteuid() == 0:
            settings.STORAGES = archive_in("/proc/archive")  # a file system that not even root may write
        else:
            folder.mkdir(mode=0o500)
    else:
        (folder / "events").mkdir(parents=True)
        (folder / "events" / "2025").write_text("a file where a folder should be")

    code, done = command("apply_retention")

    assert (code, done["dropped"], done["archived"]) == (1, [], [])
    assert any("archive" in problem for problem in done["problems"])
    assert is_untouched(20)


# --- partitions ------------------------------------------------------------------------------------


def test_what_a_killed_run_left_detached_is_dropped_by_the_next(send, make_event):
    count_events(send, make_event, 20)
    day = grow_old()
    dropping._seal(day, True)  # and killed before the DROP
    assert tables_like("stats_event_dropped_%") == ["stats_event_dropped_20251123"]
    assert Event.objects.count() == 0

    assert apply().leftover_tables == 1
    assert tables_like("stats_event_dropped_%") == []


def test_old_partitions_in_which_nothing_ever_was_are_dropped(store):
    partitions.ensure([date(2011, 1, 1), date(2011, 1, 2)])

    assert apply().empty_partitions >= 2
    assert tables_like("stats_event_201101%") == []
    partitions.ensure([date(2011, 1, 1)])  # forgotten, so made again when needed
    assert tables_like("stats_event_201101%") == ["stats_event_20110101"]


def test_a_partition_that_an_event_reaches_first_is_not_dropped_as_empty(send, make_event):
    count_events(send, make_event, 1)

    dropping._detach_empty(DAY)

    assert is_untouched(1)


def test_a_day_whose_partition_is_gone_is_sealed(send, make_event):
    count_events(send, make_event, 5)
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE stats_event_20251123")
    grow_old()

    assert apply().dropped == [DAY]
    assert the_day().sealed_at is not None


# --- locks -----------------------------------------------------------------------------------------


def test_a_long_reader_puts_the_drop_off_and_writers_never_wait_for_a_second(
    send, make_event, person, monkeypatch
):
    count_events(send, make_event, 20)
    grow_old()
    monkeypatch.setattr(patience, "PAUSES", (0.3, 0.3))
    person.execute("SELECT count(*) FROM stats_event")  # and its transaction stays open
    writers = Writers()

    with writers:
        started = time.monotonic()
        done = apply()
        seconds = time.monotonic() - started

    assert done.dropped == []
    assert "not dropped: the lock was not to be had" in done.problems[0]
    assert tables.has_partition(DAY)
    assert the_day().sealed_at is None
    assert seconds < 3 * 0.5 + 2 * 0.3 + 5
    assert len(writers.seconds) > 3
    assert max(writers.seconds) < 1.0

    person.rollback()
    assert apply().dropped == [DAY]


def test_a_reader_who_leaves_in_time_only_delays_the_drop(send, make_event, person):
    count_events(send, make_event, 20)
    grow_old()
    person.execute("SELECT count(*) FROM stats_event")
    leaves = threading.Timer(1.0, person.rollback)
    leaves.start()

    assert apply().dropped == [DAY]
    leaves.join()


def test_a_vacuum_is_waited_for_without_anybody_waiting_behind(send, make_event, person):
    count_events(send, make_event, 20)
    grow_old()
    person.execute("LOCK TABLE stats_event_20251123 IN SHARE UPDATE EXCLUSIVE MODE")  # as a vacuum does
    ends = threading.Timer(1.5, person.rollback)
    writers = Writers()

    with writers:
        ends.start()
        assert apply().dropped == [DAY]
    ends.join()
    assert max(writers.seconds) < 1.0


class Writers:
    """Inserts an event of another day again and again; how long each took."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._write)
        partitions.ensure([date(2025, 11, 25)])

    def _write(self) -> None:
        parameters = connections["default"].get_connection_params() | {"context": None}
        with psycopg.connect(**parameters, autocommit=True) as session:
            number = partitions.bounds(date(2025, 11, 25))[0]
            while not self._stopping.is_set():
                started = time.monotonic()
                session.execute(
                    "INSERT INTO stats_event VALUES (%s, %s, '/', '/', 'GET', 200, 1, '', '', '', '', 0, '')",
                    [f"{int(number) + len(self.seconds)}-00000000", int(number) + len(self.seconds)],
                )
                self.seconds.append(time.monotonic() - started)
                self._stopping.wait(0.005)

    def __enter__(self) -> Writers:
        self._thread.start()
        assert wait_for(lambda: self.seconds)
        return self

    def __exit__(self, *failure: object) -> None:
        self._stopping.set()
        self._thread.join(20)


# --- hours -----------------------------------------------------------------------------------------


def dropped_and_rolled_up(send: Any, make_event: Any) -> TrafficDay:
    """A sealed day of three hours that is 91 days old."""
    for hour in range(3):
        count_events(send, make_event, 10, timestamp=FIRST_MS + hour * 3_600_000)
    drop_old()
    TrafficDay.objects.update(rolled_version=F("version"))
    return grow_old(days=91)


def hourly_rows() -> int:
    return sum(model.objects.count() for model in (PathStatsHourly, TotalsHourly, TopValuesHourly))


def test_hours_of_an_old_dropped_day_go_and_no_others(send, make_event):
    dropped_and_rolled_up(send, make_event)
    count_events(send, make_event, 3, timestamp=FIRST_MS + 2 * partitions.DAY_MS)
    others = PathStatsHourly.objects.filter(hour__day=25).count()
    before = hourly_rows()

    done = apply()

    assert done.hourly_days == [DAY]
    assert done.hourly_rows >= 3
    assert hourly_rows() == before - done.hourly_rows
    assert PathStatsHourly.objects.count() == others == 1
    assert the_day().hours_dropped_at is not None
    assert apply().hourly_days == []


def test_hours_that_are_not_rolled_up_stay(send, make_event):
    dropped_and_rolled_up(send, make_event)
    TrafficDay.objects.update(version=F("version") + 1)

    done = apply()

    assert done.hourly_rows == 0
    assert done.problems == ["2025-11-23: hours not dropped, since the day is not rolled up yet"]
    assert the_day().hours_dropped_at is None


@pytest.mark.parametrize("change", [{"sealed_at": None}, {"last_arrival_at": timezone.now()}])
def test_hours_of_an_open_or_lately_changed_day_stay(send, make_event, change, settings):
    day = dropped_and_rolled_up(send, make_event)
    TrafficDay.objects.update(**change)
    settings.EVENT_RETENTION_DAYS = 36_500
    before = hourly_rows()

    apply()
    if "sealed_at" in change:
        assert hours.drop_hours(day) == 0

    assert (hourly_rows(), the_day().hours_dropped_at) == (before, None)


def test_hours_of_a_day_that_is_opened_meanwhile_come_back(send, make_event):
    day = dropped_and_rolled_up(send, make_event)
    before = hourly_rows()
    TrafficDay.objects.update(version=F("version") + 1)  # as an arrival after a restore does

    assert hours.drop_hours(day) == 0
    assert (hourly_rows(), the_day().hours_dropped_at) == (before, None)


def test_the_hours_of_a_day_that_somebody_holds_go_when_he_lets_go(send, make_event, person):
    day = dropped_and_rolled_up(send, make_event)
    person.execute("SELECT FROM stats_trafficday FOR UPDATE")
    ends = threading.Timer(0.5, person.rollback)
    ends.start()

    assert hours.drop_hours(day) > 0
    ends.join()


# --- rows ------------------------------------------------------------------------------------------


def letter(state: str, settled_days_ago: float | None = None, failed_days_ago: float = 0) -> DeadLetter:
    now = timezone.now()
    return DeadLetter.objects.create(
        payload="{}",
        reason="schema",
        error="",
        deliveries=1,
        state=state,
        last_failed_at=now - timedelta(days=failed_days_ago),
        settled_at=settled_days_ago and now - timedelta(days=settled_days_ago),
    )


def test_settled_letters_go_after_a_month_and_unsettled_ones_after_a_year(store, monkeypatch, caplog):
    monkeypatch.setattr(rows, "SLICE", 1)
    gone = [
        letter("redriven", settled_days_ago=31),
        letter("discarded", settled_days_ago=31),
        letter("dead", failed_days_ago=366),
    ]
    kept = [letter("redriven", settled_days_ago=29), letter("dead", failed_days_ago=364)]

    assert apply().dead_letters == len(gone)
    assert set(DeadLetter.objects.values_list("pk", flat=True)) == {one.pk for one in kept}
    assert "Dead letters that nobody settled were deleted: 1" in caplog.text


def test_unsettled_letters_may_be_kept_for_ever(store, settings):
    settings.DEAD_LETTER_UNSETTLED_DAYS = 0
    letter("dead", failed_days_ago=10_000)

    assert apply().dead_letters == 0


def test_records_of_finished_tasks_go_after_a_week(store):
    now = timezone.now()
    for name, days in (("old", 8), ("new", 6)):
        Task.objects.create(
            id=name, name=name, func="f", started=now, stopped=now - timedelta(days=days), success=False
        )

    assert apply().tasks == 1
    assert [task.id for task in Task.objects.all()] == ["new"]


def test_starts_of_the_worker_go_after_three_months(store):
    now = timezone.now()
    for pid, days in ((1, 91), (2, 89)):
        WorkerStart.objects.create(
            started_at=now - timedelta(days=days), host="web-1", pid=pid, cause="started"
        )

    apply()
    assert [start.pid for start in WorkerStart.objects.all()] == [2]


# --- the archive itself ----------------------------------------------------------------------------


def test_files_of_dropped_days_go_after_the_archives_retention(send, make_event, settings, folder):
    count_events(send, make_event, 150)
    drop_old()
    assert apply().archive_files == 0  # kept for ever, unless told otherwise
    settings.ARCHIVE_RETENTION_DAYS = 400
    grow_old(days=399)
    assert apply().archive_files == 0
    TrafficDay.objects.update(day=date(2020, 1, 1))
    ArchivedFile.objects.update(day=date(2020, 1, 1))
    grow_old(date(2020, 1, 1), days=401)

    assert apply().archive_files == 2
    assert (ArchivedFile.objects.count(), list(folder.rglob("*.parquet"))) == (0, [])
