"""The archive holds exactly what the table does, in parts, and what was begun is finished."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.utils import timezone

from stats.archive import Mismatch, NotArchived, archive_day, is_archived, verify_day
from stats.archive.alone import alone
from stats.models import ArchivedFile, Event, TrafficDay
from tests.integration.archive_days import (
    DAY,
    FIRST_MS,
    archive_in,
    command,
    count_events,
    file_names,
    grow_old,
    rows_of_the_table,
    the_day,
)

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

STRANGE = {
    "path": '/a,"b"\n\\N\t/ü/\u2028',
    "user_agent": "x" * 512,
    "host": "",
    "response_time": 0.1 + 0.2,
    "response_bytes": 2**40,
    "country": "",
    "status": 599,
}


@pytest.fixture(autouse=True)
def folder(store: None, settings: Any, tmp_path: Path) -> Path:
    settings.STORAGES = archive_in(tmp_path / "archive")
    settings.ARCHIVE_PART_EVENTS = 100
    return tmp_path / "archive"


def test_the_files_hold_every_column_of_every_row_in_the_order_of_ids(send, make_event, folder):
    count_events(send, make_event, 240)
    count_events(send, make_event, 10, **STRANGE, timestamp=FIRST_MS + 5000)
    rows = rows_of_the_table()

    archived = archive_day(the_day())

    assert (archived.events, archived.files, archived.complete) == (250, 3, True)
    assert [int(pq.ParquetFile(folder / name).metadata.num_rows) for name in file_names()] == [100, 100, 50]
    read = [row for name in file_names() for row in pq.read_table(folder / name).to_pylist()]
    for row in read:
        row["timestamp"] = round(row["timestamp"].timestamp() * 1000)
    assert read == rows
    assert verify_day(the_day()) == 250


def test_names_are_dates_and_nothing_is_open_to_others(send, make_event, folder):
    count_events(send, make_event, 5)
    archive_day(the_day())

    assert file_names() == ["events/2025/11/23/part-0001.parquet"]
    for root, folders, files in os.walk(folder):
        assert stat.S_IMODE(os.stat(root).st_mode) == 0o700
        assert all(stat.S_IMODE(os.stat(Path(root) / name).st_mode) == 0o600 for name in files)
        assert not [name for name in [*folders, *files] if name.startswith(".draft")]


def test_archiving_again_writes_nothing(send, make_event, folder):
    count_events(send, make_event, 150)
    archive_day(the_day())
    before = {name: (folder / name).stat().st_mtime_ns for name in file_names()}

    again = archive_day(the_day())

    assert (again.written, again.events, again.complete) == (0, 150, True)
    assert {name: (folder / name).stat().st_mtime_ns for name in file_names()} == before


def test_a_day_that_changed_is_no_longer_archived_and_is_archived_anew(send, make_event, folder):
    count_events(send, make_event, 150)
    archive_day(the_day())
    count_events(send, make_event, 7, timestamp=FIRST_MS + 40)  # between those that were there
    assert not is_archived(the_day())
    with pytest.raises(NotArchived):
        verify_day(the_day())

    again = archive_day(the_day())

    assert (again.written, again.events) == (2, 157)
    assert verify_day(the_day()) == 157


def test_an_event_that_arrives_while_the_day_is_read_makes_it_incomplete(send, make_event):
    count_events(send, make_event, 150)
    late = []

    def arrive(events: int) -> None:
        if not late:
            late.extend(count_events(send, make_event, 1, timestamp=FIRST_MS + 1))

    assert archive_day(the_day(), arrive).complete is False
    assert not is_archived(the_day())
    assert archive_day(the_day()).complete is True
    assert verify_day(the_day()) == 151


def test_fewer_parts_leave_no_old_file_behind(send, make_event, folder, settings):
    count_events(send, make_event, 250)
    archive_day(the_day())
    settings.ARCHIVE_PART_EVENTS = 1000
    count_events(send, make_event, 1, timestamp=FIRST_MS + 9000)

    archive_day(the_day())

    assert file_names() == ["events/2025/11/23/part-0001.parquet"]
    assert [path.name for path in folder.rglob("*.parquet")] == ["part-0001.parquet"]


def test_parts_that_are_there_are_kept_and_the_rest_is_written(send, make_event, folder):
    count_events(send, make_event, 250)
    archive_day(the_day())
    ArchivedFile.objects.filter(part=3).delete()  # as if killed before the last part was noted
    ArchivedFile.objects.filter(part=2).update(verified_at=None)  # and the one before not read back
    assert not is_archived(the_day())

    assert archive_day(the_day()).written == 2
    assert verify_day(the_day()) == 250


def test_a_file_that_vanished_is_written_again(send, make_event, folder):
    count_events(send, make_event, 250)
    archive_day(the_day())
    (folder / file_names()[1]).unlink()

    assert archive_day(the_day()).written == 2
    assert verify_day(the_day()) == 250


@pytest.mark.parametrize("position", [100, -20])
def test_a_file_that_was_changed_is_noticed(send, make_event, folder, position):
    count_events(send, make_event, 50)
    archive_day(the_day())
    path = folder / file_names()[0]
    data = bytearray(path.read_bytes())
    data[position] ^= 1
    path.write_bytes(data)

    with pytest.raises(Mismatch, match="checksum"):
        verify_day(the_day())


def test_a_row_that_differs_from_its_file_is_noticed(send, make_event):
    count_events(send, make_event, 50)
    archive_day(the_day())
    Event.objects.filter(timestamp=FIRST_MS + 20).update(response_bytes=1)

    with pytest.raises(Mismatch, match="does not hold what the table does"):
        verify_day(the_day())


def test_a_row_that_is_gone_or_new_is_noticed(send, make_event):
    count_events(send, make_event, 50)
    archive_day(the_day())
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM stats_event WHERE timestamp = %s", [FIRST_MS + 49])
    with pytest.raises(Mismatch):
        verify_day(the_day())

    version = the_day().version
    count_events(send, make_event, 2, timestamp=FIRST_MS + 900)
    TrafficDay.objects.update(version=version)
    with pytest.raises(Mismatch):
        verify_day(the_day())


# --- the command -----------------------------------------------------------------------------------


def test_days_that_are_over_and_quiet_are_due_and_only_once(send, make_event):
    count_events(send, make_event, 20)
    now = timezone.now()
    count_events(send, make_event, 20, timestamp=int(now.timestamp() * 1000))
    assert command("archive_events") == (0, {"archived": [], "failed": {}})  # an arrival just now

    TrafficDay.objects.update(last_arrival_at=now - timedelta(hours=2))
    code, result = command("archive_events")

    assert (code, [day["day"] for day in result["archived"]]) == (0, ["2025-11-23"])
    assert command("archive_events") == (0, {"archived": [], "failed": {}})


def test_a_day_by_name(send, make_event):
    count_events(send, make_event, 20)

    code, result = command("archive_events", "--day", "2025-11-23")

    assert (code, result["archived"][0]["events"], result["failed"]) == (0, 20, {})


@pytest.mark.parametrize(
    ("day", "says"), [("yesterday", "is no day"), ("2099-01-01", "is not over"), ("2003-01-01", "no events")]
)
def test_a_day_that_cannot_be_archived_is_a_bad_argument(day, says):
    with pytest.raises(CommandError, match=says) as error:
        call_command("archive_events", "--day", day)
    assert error.value.returncode == 2


@pytest.mark.parametrize("name", ["archive_events", "apply_retention"])
def test_a_second_run_at_once_says_so(name):
    with alone(), pytest.raises(CommandError, match="another run") as error:
        call_command(name)
    assert error.value.returncode == 1


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(send, make_event, settings, tmp_path):
    (tmp_path / "file").write_text("in the way")
    settings.STORAGES = archive_in(tmp_path / "file" / "archive")
    count_events(send, make_event, 20)
    grow_old()

    code, result = command("archive_events")

    assert code == 1
    assert "NotADirectoryError" in result["failed"]["2025-11-23"]
    assert ArchivedFile.objects.count() == 0


def test_duckdb_reads_the_archive_as_one_table(send, make_event, folder):
    count_events(send, make_event, 150)
    count_events(send, make_event, 30, status=500, timestamp=FIRST_MS + 3_600_000)
    archive_day(the_day())

    answer = duckdb.sql(
        f"""SELECT date_trunc('hour', timestamp AT TIME ZONE 'UTC') AS hour, count(*),
                   count(*) FILTER (status >= 400)
            FROM read_parquet('{folder}/events/*/*/*/*.parquet') GROUP BY 1 ORDER BY 1"""
    ).fetchall()

    assert [(hour.hour, requests, errors) for hour, requests, errors in answer] == [(0, 150, 0), (1, 30, 30)]
    assert answer[0][0].date() == DAY
