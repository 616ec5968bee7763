"""The archive in a bucket: the same life of a day, against a server that speaks S3."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.core.exceptions import ImproperlyConfigured
from pyarrow.dataset import dataset
from pyarrow.fs import S3FileSystem

from gateway.archive_url import archive_storage
from stats.archive import verify_day
from stats.models import ArchivedFile, Event
from stats.retention import apply
from tests.integration.archive_days import (
    DAY,
    command,
    count_events,
    drop_old,
    grow_old,
    hourly_requests,
    rows_of_the_table,
    the_day,
)
from tests.integration.processes import ROOT, environment, free_port, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]

SECRET = "a-secret-that-is-written-down-nowhere"


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server on a port of this machine."""
    port = free_port()
    log = tmp_path_factory.mktemp("s3") / "log"
    with log.open("w") as output:
        server = subprocess.Popen(
            [str(Path(sys.executable).with_name("moto_server")), "-H", "127.0.0.1", "-p", str(port)],
            stdout=output,
            stderr=output,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        assert wait_for(lambda: answers(url), 60), log.read_text()
        yield url
    finally:
        server.kill()
        server.wait()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/moto-api/", timeout=2).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


@pytest.fixture
def bucket(endpoint: str, store: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "tester",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1").Bucket("traffic")
    if bucket.creation_date is None:
        bucket.create()
    bucket.objects.delete()
    url = f"s3://traffic/tallygate/prod?endpoint_url={endpoint}&region_name=us-east-1"
    settings.STORAGES = {**settings.STORAGES, "archive": archive_storage(url, Path("unused"))}
    settings.ARCHIVE_PART_EVENTS = 100
    return bucket


def keys(bucket: Any) -> list[str]:
    return sorted(item.key for item in bucket.objects.all())


def test_a_day_goes_into_the_bucket_and_comes_back(send, make_event, bucket):
    count_events(send, make_event, 250)
    before = rows_of_the_table()

    assert drop_old().archived == [DAY]
    assert keys(bucket) == [f"tallygate/prod/events/2025/11/23/part-{part:04d}.parquet" for part in (1, 2, 3)]
    assert Event.objects.count() == 0

    assert command("restore_archive", "2025-11-23")[1]["events"] == 250
    assert rows_of_the_table() == before
    assert hourly_requests() == 250
    assert verify_day(the_day()) == 250


def test_a_changed_day_replaces_its_objects(send, make_event, bucket):
    count_events(send, make_event, 150)
    command("archive_events", "--day", "2025-11-23")
    count_events(send, make_event, 60)
    sizes = {item.key: item.size for item in bucket.objects.all()}

    assert drop_old().archived == [DAY]

    assert len(keys(bucket)) == 3
    assert {item.key: item.size for item in bucket.objects.all()} != sizes


def test_a_tampered_object_stops_the_drop(send, make_event, bucket):
    count_events(send, make_event, 50)
    command("archive_events", "--day", "2025-11-23")
    grow_old()
    item = bucket.Object(keys(bucket)[0])
    data = item.get()["Body"].read()
    item.put(Body=data[:-1] + b"?")

    code, done = command("apply_retention")

    assert (code, done["dropped"], Event.objects.count()) == (1, [], 50)
    assert "checksum" in done["problems"][0]


def test_an_object_that_vanished_is_written_again(send, make_event, bucket):
    count_events(send, make_event, 150)
    command("archive_events", "--day", "2025-11-23")
    bucket.Object(keys(bucket)[0]).delete()

    assert drop_old().archived == [DAY]
    assert len(keys(bucket)) == 2


def test_files_past_their_retention_leave_the_bucket(send, make_event, bucket, settings):
    count_events(send, make_event, 50)
    drop_old()
    settings.ARCHIVE_RETENTION_DAYS = 30
    grow_old(days=31)

    assert apply().archive_files == 1
    assert (keys(bucket), ArchivedFile.objects.count()) == ([], 0)


@pytest.mark.parametrize("fault", ["no bucket", "no server"])
def test_a_bucket_that_cannot_be_reached_stops_the_drop_and_no_secret_is_told(
    send, make_event, bucket, settings, endpoint, fault, caplog, capfd
):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("botocore").setLevel(logging.WARNING)  # as in gateway.settings
    url = f"s3://nowhere?endpoint_url={endpoint}&region_name=us-east-1"
    if fault == "no server":
        url = f"s3://traffic?endpoint_url=http://127.0.0.1:{free_port()}&region_name=us-east-1"
    settings.STORAGES = {**settings.STORAGES, "archive": archive_storage(url, Path("unused"))}
    count_events(send, make_event, 50)
    grow_old()

    code, done = command("apply_retention")

    assert (code, done["dropped"], Event.objects.count()) == (1, [], 50)
    told = json.dumps(done) + caplog.text + "".join(capfd.readouterr())
    assert "archive" in told
    assert SECRET not in told


def test_another_tool_reads_the_bucket_as_one_table(send, make_event, bucket, endpoint):
    count_events(send, make_event, 150)
    command("archive_events", "--day", "2025-11-23")
    files = S3FileSystem(
        endpoint_override=endpoint, access_key="tester", secret_key=SECRET, region="us-east-1"
    )

    table = dataset("traffic/tallygate/prod/events", filesystem=files).to_table()

    ids = Event.objects.order_by("idempotent_id").values_list("idempotent_id", flat=True)
    assert table.column("idempotent_id").to_pylist() == list(ids)


# --- the address -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:hunter2@bucket/prefix",
        "s3://bucket?endpoint_url=https://key:hunter2@minio.example.org",
        "s3://bucket?secret_key=hunter2",
        "s3://",
        "ftp://bucket/hunter2",
        "file://host/hunter2",
        "/hunter2",
        "s3://[hunter2",
    ],
)
def test_a_wrong_address_is_refused_without_being_quoted(url):
    with pytest.raises(ImproperlyConfigured, match=r"^ARCHIVE_URL: ") as error:
        archive_storage(url, Path("unused"))
    assert "hunter2" not in str(error.value)


def test_a_wrong_address_ends_a_command_with_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "check"],
        env=environment(tmp_path, ARCHIVE_URL="s3://key:hunter2@bucket"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "ARCHIVE_URL: holds credentials" in done.stderr
    assert "hunter2" not in done.stderr
