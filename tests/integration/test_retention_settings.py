"""Settings of retention and archive: mistakes are named before they cost anything."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command

from gateway.archive_url import archive_storage
from gateway.checks import TAG
from gateway.conf import conf
from stats.archive import shelf
from tests.integration.archive_days import archive_in, count_events, grow_old

DATABASES = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


def problems() -> list[tuple[str, str]]:
    return [(str(message.id), message.msg.split(":")[0]) for message in run_checks(tags=[TAG])]


@pytest.mark.parametrize(
    ("expected", "setting", "value"),
    [
        ("gateway.E040", "EVENT_RETENTION_DAYS", -1),
        ("gateway.E040", "EVENT_RETENTION_DAYS", "3"),
        ("gateway.E040", "HOURLY_RETENTION_DAYS", float("nan")),
        ("gateway.E040", "TASK_RETENTION_DAYS", None),
        ("gateway.E040", "DEAD_LETTER_RETENTION_DAYS", True),
        ("gateway.E040", "DEAD_LETTER_UNSETTLED_DAYS", 10**6),
        ("gateway.E040", "ARCHIVE_PART_EVENTS", 0),
        ("gateway.E041", "HOURLY_RETENTION_DAYS", 2),
        ("gateway.E041", "ARCHIVE_RETENTION_DAYS", 2),
        ("gateway.E024", "ARCHIVE_EVENTS", "no"),
    ],
)
def test_a_mistake_is_named(settings: Any, expected: str, setting: str, value: Any) -> None:
    setattr(settings, setting, value)

    assert problems() == [(expected, setting)]


@pytest.mark.parametrize("backend", ["nowhere.at.all", "storages.backends.s3.S3Storage"])
def test_a_storage_that_cannot_be_made_is_named(settings: Any, backend: str) -> None:
    broken = {"BACKEND": backend, "OPTIONS": {"no_such_option": 1}}
    settings.STORAGES = {**settings.STORAGES, "archive": broken}

    assert problems() == [("gateway.E042", "STORAGES")]
    settings.ARCHIVE_EVENTS = False
    assert problems() == []


def test_without_an_entry_the_archive_is_a_closed_folder_below_var_dir(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path
    settings.STORAGES = {key: entry for key, entry in settings.STORAGES.items() if key != "archive"}
    assert problems() == []

    storage = shelf.shelf()

    assert isinstance(storage, FileSystemStorage)
    assert storage.location == str(tmp_path / "archive")
    assert (storage.directory_permissions_mode, storage.file_permissions_mode) == (0o700, 0o600)


def test_a_bucket_with_its_prefix_and_options() -> None:
    storage = archive_storage(
        "s3://traffic/tally/gate?endpoint_url=https://minio.example.org:9000&addressing_style=path", Path("x")
    )

    assert storage["BACKEND"] == "storages.backends.s3.S3Storage"
    assert storage["OPTIONS"] | {"max_memory_size": 0} == {
        "bucket_name": "traffic",
        "location": "tally/gate",
        "endpoint_url": "https://minio.example.org:9000",
        "addressing_style": "path",
        "file_overwrite": True,
        "default_acl": None,
        "max_memory_size": 0,
    }


def test_the_defaults_are_those_of_the_readme() -> None:
    assert (conf.event_days, conf.hourly_days, conf.archive_days, conf.task_days) == (3, 90, 0, 7)
    assert (conf.settled_letter_days, conf.unsettled_letter_days, conf.archive_events) == (30, 365, True)


@DATABASES
def test_a_person_reads_what_was_done(send, make_event, settings, tmp_path) -> None:
    settings.STORAGES = archive_in(tmp_path / "archive")
    count_events(send, make_event, 20)
    grow_old()

    def said(*command: str) -> str:
        output = StringIO()
        call_command(*command, stdout=output)
        return output.getvalue()

    assert "Would be done:\narchived        2025-11-23\nevents dropped  2025-11-23" in said(
        "apply_retention", "--dry-run"
    )
    assert said("archive_events").startswith("2025-11-23: 20 events, files: 1, bytes: ")
    assert said("archive_events", "--day", "2025-11-23").startswith(
        "2025-11-23: 20 events, files: 1, bytes: "
    )
    assert "events dropped  2025-11-23" in said("apply_retention")
    assert said("archive_events") == "Nothing to archive.\n"
    assert said("restore_archive", "2025-11-23") == "2025-11-23: 20 events restored, files: 1\n"
