"""A run that is killed leaves nothing that the next one can't finish."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from stats.archive import verify_day
from stats.models import ArchivedFile, Event
from tests.integration.archive_days import (
    archive_in,
    command,
    count_events,
    grow_old,
    hourly_requests,
    rows_of_the_table,
    tables_like,
    the_day,
)
from tests.integration.processes import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]

EVENTS, PART = 3_000, 50
PARTS = EVENTS // PART


@pytest.fixture(autouse=True)
def folder(store: None, settings: Any, tmp_path: Path) -> Path:
    settings.STORAGES = archive_in(tmp_path / "archive")
    settings.ARCHIVE_PART_EVENTS = PART
    return tmp_path / "archive"


def manage(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command in a process of its own, on the running test's databases."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.app_settings",
            "TALLYGATE_TEST_DATABASE": connections["default"].settings_dict["NAME"],
            "TALLYGATE_TEST_LEGACY": str(connections["legacy"].settings_dict["NAME"]),
            "ARCHIVE_URL": f"file://{folder}",
            "ARCHIVE_PART_EVENTS": str(PART),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_when(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """SIGKILL at the moment `condition` comes true."""
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.communicate()


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    result: dict[str, Any] = json.loads(output)
    return result


def parts(folder: Path) -> int:
    return len(list(folder.glob("events/*/*/*/part-*.parquet")))


def test_archiving_goes_on_where_it_was_killed(send, make_event, folder):
    count_events(send, make_event, EVENTS)
    kill_when(manage(folder, "archive_events", "--day", "2025-11-23"), lambda: parts(folder) >= 5)
    verified = ArchivedFile.objects.filter(verified_at__isnull=False).count()
    assert 4 <= verified < PARTS

    result = finish(manage(folder, "archive_events", "--day", "2025-11-23", "--json"))

    (archived,) = result["archived"]
    assert (archived["events"], archived["complete"]) == (EVENTS, True)
    assert archived["written"] == PARTS - verified
    assert verify_day(the_day()) == EVENTS
    assert [path for path in folder.iterdir() if path.name.startswith(".draft")] == []


def test_a_retention_that_is_killed_again_and_again_drops_the_day_once_and_loses_nothing(
    send, make_event, folder
):
    count_events(send, make_event, EVENTS)
    before = rows_of_the_table()
    grow_old()
    milestones: list[Callable[[], bool]] = [
        lambda: parts(folder) >= PARTS // 2,
        lambda: ArchivedFile.objects.filter(verified_at__isnull=False).count() == PARTS,
        lambda: the_day().sealed_at is not None,
    ]
    for milestone in milestones:
        kill_when(manage(folder, "apply_retention"), milestone)

    finish(manage(folder, "apply_retention", "--json"))

    assert (Event.objects.count(), tables_like("stats_event_%20251123")) == (0, [])
    assert command("restore_archive", "2025-11-23")[1]["events"] == EVENTS
    assert rows_of_the_table() == before
    assert hourly_requests() == EVENTS


def test_a_restore_that_is_killed_leaves_the_day_dropped_and_can_be_repeated(send, make_event, folder):
    count_events(send, make_event, EVENTS)
    before = rows_of_the_table()
    grow_old()
    assert command("apply_retention")[0] == 0
    kill_when(
        manage(folder, "restore_archive", "2025-11-23"), lambda: bool(tables_like("stats_event_restoring_%"))
    )
    assert the_day().sealed_at is not None
    assert Event.objects.count() == 0

    assert finish(manage(folder, "restore_archive", "2025-11-23", "--json"))["events"] == EVENTS
    assert rows_of_the_table() == before
    assert hourly_requests() == EVENTS
