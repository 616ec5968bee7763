"""A start of the worker is written down at once or later, and never in anybody's way."""

from __future__ import annotations

import logging
import os
import socket
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection

from gateway.starts import Cause, Start
from stats import worker_starts
from stats.models import WorkerStart
from tests.integration.processes import wait_for

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
    pytest.mark.usefixtures("store"),
]
HUNG = Start(Cause.RESTARTED, "nobody answers the doorbell")


def seconds_ago(start: WorkerStart) -> float:
    return (datetime.now(UTC) - start.started_at) / timedelta(seconds=1)


def test_it_says_when_where_and_why():
    worker_starts.write(HUNG, seconds_ago=60.0)
    start = WorkerStart.objects.get()
    assert start.why == "restarted by the supervisor: nobody answers the doorbell"
    assert (start.host, start.pid) == (socket.gethostname(), os.getpid())
    assert 60.0 <= seconds_ago(start) < 70.0


def test_while_the_database_is_away_it_is_tried_again_and_said_once(monkeypatch, caplog):
    write, tries = worker_starts.write, []

    def refused_twice(start: Start, ago: float) -> None:
        tries.append(ago)
        if len(tries) < 3:
            raise OperationalError("connection refused")
        write(start, ago)

    monkeypatch.setattr(worker_starts, "write", refused_twice)
    began = worker_starts.time.monotonic() - 100.0
    worker_starts._keep_trying(HUNG, began, sleep=lambda seconds: None)

    assert len(tries) == 3
    assert 100.0 <= seconds_ago(WorkerStart.objects.get()) < 110.0
    assert [record.getMessage() for record in caplog.records if "not written yet" in record.getMessage()] == [
        "Start not written yet, it will be tried again: OperationalError: connection refused"
    ]


def test_the_worker_does_not_wait_while_the_table_is_locked():
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("LOCK TABLE stats_workerstart IN ACCESS EXCLUSIVE MODE")
        worker_starts._write_beside(HUNG)  # returns though its thread waits
        cursor.execute("ROLLBACK")
    assert wait_for(WorkerStart.objects.exists)


def test_a_host_that_makes_no_more_threads_loses_the_row_and_not_the_worker(monkeypatch, caplog):
    def refuse(thread: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(worker_starts.threading.Thread, "start", refuse)
    with caplog.at_level(logging.WARNING):
        worker_starts._write_beside(HUNG)
    assert "Start not written: can't start new thread" in caplog.text
    assert not WorkerStart.objects.exists()
