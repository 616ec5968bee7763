"""A dropped day comes back as it was, and nothing of it is counted a second time."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, connections
from django.utils import timezone

from stats import daily, dead_letters, partitions
from stats.archive import patience, restoring, verify_day
from stats.consumer import Consumer
from stats.models import DeadLetter, Event, PathStatsHourly, TotalsDaily, TrafficDay
from stats.retention import apply
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
    rows_of_the_table,
    tables_like,
    the_day,
)

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture(autouse=True)
def folder(store: None, settings: Any, tmp_path: Path) -> Path:
    settings.STORAGES = archive_in(tmp_path / "archive")
    settings.ARCHIVE_PART_EVENTS = 100
    return tmp_path / "archive"


def shape_of_the_partition() -> list[tuple[Any, ...]]:
    """Columns, constraints and indexes, without the names of what PostgreSQL names itself."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT attname::text, format_type(atttypid, atttypmod), attnotnull, attcollation
               FROM pg_attribute WHERE attrelid = 'stats_event_20251123'::regclass AND attnum > 0
               UNION ALL SELECT pg_get_constraintdef(oid), contype::text, true, 0
               FROM pg_constraint WHERE conrelid = 'stats_event_20251123'::regclass
               UNION ALL SELECT regexp_replace(indexdef, 'INDEX \\S+ ON', 'INDEX ON'), '', true, 0
               FROM pg_indexes WHERE tablename = 'stats_event_20251123' ORDER BY 1, 2"""
        )
        return cursor.fetchall()


def test_a_restored_day_is_what_it_was_and_its_statistics_are_untouched(send, make_event):
    count_events(send, make_event, 240)
    count_events(send, make_event, 5, user_agent='\\N\t"ü"\n', response_time=0.1 + 0.2, country="DE")
    before, shape = rows_of_the_table(), shape_of_the_partition()
    statistics = list(PathStatsHourly.objects.order_by("route", "hour").values())
    drop_old()
    version = the_day().version

    code, restored = command("restore_archive", "2025-11-23")

    assert (code, restored) == (0, {"day": "2025-11-23", "events": 245, "files": 3})
    assert rows_of_the_table() == before
    assert shape_of_the_partition() == shape
    assert list(PathStatsHourly.objects.order_by("route", "hour").values()) == statistics
    day = the_day()
    assert (day.sealed_at, day.version) == (None, version)
    assert timezone.now() - day.last_arrival_at < timedelta(minutes=1)
    assert verify_day(day) == 245


def test_redriven_late_events_count_once_whether_they_were_counted_before_or_not(send, make_event):
    counted = count_events(send, make_event, 20)
    drop_old()
    send(counted[0])
    count_events(send, make_event, 1, timestamp=FIRST_MS + 777)
    assert list(DeadLetter.objects.values_list("reason", flat=True)) == ["late", "late"]
    command("restore_archive", "2025-11-23")

    assert dead_letters.redrive(DeadLetter.objects.all(), by="a test") == 2
    totals = Consumer().drain()

    assert (totals.inserted, totals.duplicates, totals.dead) == (1, 1, 0)
    assert (Event.objects.count(), hourly_requests()) == (21, 21)


def test_a_restored_day_is_dropped_again_and_with_what_arrived_meanwhile(send, make_event):
    count_events(send, make_event, 20)
    drop_old()
    command("restore_archive", "2025-11-23")
    assert apply().dropped == []  # its age counts from the restore
    assert drop_old().archived == []  # its archive still holds it all

    command("restore_archive", "2025-11-23")
    count_events(send, make_event, 1, timestamp=FIRST_MS + 777)
    assert drop_old().archived == [DAY]

    assert command("restore_archive", "2025-11-23")[1]["events"] == 21
    assert (Event.objects.count(), hourly_requests()) == (21, 21)


def test_a_day_that_is_here_is_not_restored(send, make_event):
    count_events(send, make_event, 20)

    with pytest.raises(CommandError, match="were not dropped") as error:
        call_command("restore_archive", "2025-11-23")
    assert error.value.returncode == 1


def test_a_day_that_was_never_archived_is_not_restored(send, make_event, settings):
    settings.ARCHIVE_EVENTS = False
    count_events(send, make_event, 20)
    drop_old()

    with pytest.raises(CommandError, match="no archive"):
        call_command("restore_archive", "2025-11-23")


def test_an_archive_older_than_the_drop_is_not_restored_since_the_rest_would_count_twice(
    send, make_event, settings
):
    count_events(send, make_event, 20)
    command("archive_events", "--day", "2025-11-23")
    count_events(send, make_event, 1, timestamp=FIRST_MS + 777)
    settings.ARCHIVE_EVENTS = False
    drop_old()

    with pytest.raises(CommandError, match="would count twice"):
        call_command("restore_archive", "2025-11-23")
    assert the_day().sealed_at is not None


def test_a_bad_day_is_a_bad_argument():
    with pytest.raises(CommandError, match="is no day") as error:
        call_command("restore_archive", "23.11.2025")
    assert error.value.returncode == 2


@pytest.mark.parametrize("fault", ["tampered", "missing"])
def test_a_file_that_is_not_what_it_was_leaves_the_day_dropped(send, make_event, folder, fault):
    count_events(send, make_event, 150)
    drop_old()
    path = folder / file_names()[1]
    if fault == "tampered":
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    else:
        path.unlink()

    with pytest.raises(CommandError, match=r"part-0002\.parquet") as error:
        call_command("restore_archive", "2025-11-23")

    assert error.value.returncode == 1
    assert the_day().sealed_at is not None
    assert tables_like("stats_event_%20251123") == []


def test_what_a_killed_restore_left_is_no_obstacle(send, make_event):
    count_events(send, make_event, 20)
    drop_old()
    restoring._create(DAY, "stats_event_restoring_20251123")  # and killed

    assert command("restore_archive", "2025-11-23")[1]["events"] == 20


def test_a_retention_drops_what_a_killed_restore_left(send, make_event):
    count_events(send, make_event, 20)
    drop_old()
    restoring._create(DAY, "stats_event_restoring_20251123")

    assert apply().leftover_tables == 1
    assert tables_like("stats_event_restoring_%") == []


def test_an_empty_partition_that_somebody_made_meanwhile_gives_way(send, make_event):
    count_events(send, make_event, 20)
    drop_old()
    TrafficDay.objects.update(sealed_at=None)
    partitions.ensure([DAY])  # by one who had not seen the seal
    TrafficDay.objects.update(sealed_at=timezone.now())

    assert command("restore_archive", "2025-11-23")[1]["events"] == 20
    assert Event.objects.count() == 20


def test_a_long_reader_does_not_stop_a_restore(send, make_event):
    """ATTACH needs no lock that a reader or a writer holds."""
    count_events(send, make_event, 20)
    drop_old()
    with psycopg.connect(**connections["default"].get_connection_params() | {"context": None}) as person:
        person.execute("SELECT count(*) FROM stats_event")
        assert command("restore_archive", "2025-11-23")[1]["events"] == 20


def test_a_restore_that_gets_no_lock_leaves_the_day_dropped(send, make_event, monkeypatch):
    monkeypatch.setattr(patience, "PAUSES", (0.1,))
    count_events(send, make_event, 20)
    drop_old()
    with psycopg.connect(**connections["default"].get_connection_params() | {"context": None}) as person:
        person.execute("LOCK TABLE stats_event IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(CommandError, match="not restored: the lock was not to be had"):
            call_command("restore_archive", "2025-11-23")

    assert the_day().sealed_at is not None
    assert tables_like("stats_event_%20251123") == []


def test_what_is_new_after_the_hours_were_dropped_is_added_to_the_day(send, make_event):
    """Counted once in the daily statistics, though the hours of before are gone."""
    for hour in range(3):
        count_events(send, make_event, 10, timestamp=FIRST_MS + hour * 3_600_000)
    daily.roll_up(DAY)
    drop_old()
    late = make_event(timestamp=FIRST_MS + 777)
    send(late)
    Consumer().drain()
    grow_old(days=91)
    assert apply().hourly_days == [DAY]
    marked_at = the_day().hours_dropped_at
    assert marked_at is not None

    command("restore_archive", "2025-11-23")
    dead_letters.redrive(DeadLetter.objects.all(), by="a test")
    Consumer().drain()
    daily.roll_up(DAY)

    assert TotalsDaily.objects.get(day=DAY).requests == Event.objects.count() == 31
    assert (hourly_requests(), the_day().hours_dropped_at) == (0, marked_at)
