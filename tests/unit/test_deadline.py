"""A server that hangs is cut off by this side."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest
from django.db import OperationalError, connections

from gateway import queue
from gateway.deadline import deadline
from gateway.events import encode

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture
def connection():
    """A connection of this test's own."""
    own = connections["default"].copy()
    own.ensure_connection()
    process = backend(own)
    yield own
    own.close()
    with connections["default"].cursor() as cursor:  # it may be asleep still
        cursor.execute("SELECT pg_terminate_backend(%s, 2000)", [process])


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def backend(connection) -> int:
    return connection.connection.info.backend_pid


@contextmanager
def stopped(process: int):
    assert process > 1  # a lost connection has 0 here, which is every process of ours
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


def test_a_statement_that_takes_too_long_is_cut(connection, caplog):
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        with pytest.raises(OperationalError), deadline(connection, 0.3):
            cursor.execute("SELECT pg_sleep(30)")
    assert 0.3 <= time.monotonic() - started < 2
    assert "did not answer within 0.3 s" in caplog.text


def test_a_server_process_that_stands_still_is_cut(connection):
    with stopped(backend(connection)), connection.cursor() as cursor:
        started = time.monotonic()
        with pytest.raises(OperationalError), deadline(connection, 0.3):
            cursor.execute("SELECT 1")
        assert time.monotonic() - started < 2


@pytest.mark.usefixtures("store")
def test_the_queue_refuses_within_its_time_when_the_server_stands_still(settings, make_event):
    settings.TRAFFIC_SEND_TIMEOUT = 0.5
    connections["default"].ensure_connection()
    with stopped(backend(connections["default"])):
        started = time.monotonic()
        with pytest.raises(queue.QueueRefused):
            queue.send([encode(make_event())])
        assert time.monotonic() - started < 1.5
    assert queue.send([encode(make_event())]) == 1


def test_a_block_that_is_quick_keeps_its_connection_and_leaves_nothing_open(connection):
    before = open_files()
    for _ in range(20):
        with deadline(connection, 0.2), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    time.sleep(0.3)

    assert open_files() == before
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert cursor.fetchone() == (1,)


def test_a_closed_connection_is_opened(connection):
    connection.close()
    with deadline(connection, 5), connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def test_an_error_in_the_block_ends_the_deadline(connection):
    before = open_files()
    with pytest.raises(KeyError), deadline(connection, 0.1):
        raise KeyError
    time.sleep(0.2)
    assert open_files() == before
    assert connection.is_usable()


def test_deadlines_share_one_thread_and_a_shorter_one_is_kept_in_time(connection):
    with deadline(connection, 60), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        before = threading.active_count()
        started = time.monotonic()
        with pytest.raises(OperationalError), deadline(connection, 0.3):
            cursor.execute("SELECT pg_sleep(30)")
        assert time.monotonic() - started < 2
        assert threading.active_count() == before
