"""Statements that go to PostgreSQL together stand or fall together, and leave a connection that works."""

from __future__ import annotations

import os
import signal
import time
from hashlib import md5

import pytest
from django.db import DataError, IntegrityError, OperationalError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.statements import execute_at_once
from tests.integration.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True)

KEEP = "INSERT INTO kept (word) VALUES ($1)"


@pytest.fixture(autouse=True)
def kept():
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE kept (word text UNIQUE)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE kept")


def words() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT word FROM kept")
        return {row[0] for row in cursor.fetchall()}


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_that_fails_takes_the_others_along(place):
    statements = [(KEEP, ["a"]), (KEEP, ["b"])]
    statements.insert(place, ("SELECT 1 / $1::int", [0]))

    with pytest.raises(DataError, match="division by zero") as raised:
        execute_at_once(statements)

    assert raised.value.__cause__.sqlstate == "22012"
    assert words() == set()
    execute_at_once([(KEEP, ["c"])])
    assert words() == {"c"}


def test_the_first_error_is_told():
    with pytest.raises(IntegrityError):
        execute_at_once([(KEEP, ["a"]), (KEEP, ["a"]), ("SELECT 1 / 0", [])])


def test_a_setting_that_is_local_holds_for_those_behind_it_and_no_longer():
    with pytest.raises(OperationalError, match="statement timeout"):
        execute_at_once(
            [("SELECT set_config('statement_timeout', '50', true)", []), ("SELECT pg_sleep(5)", [])]
        )
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        assert cursor.fetchone() == ("0",)


def test_in_an_open_transaction_they_are_a_part_of_it():
    with transaction.atomic():
        execute_at_once([(KEEP, ["a"]), (KEEP, ["b"])])
        assert words() == {"a", "b"}
        transaction.set_rollback(True)
    assert words() == set()

    with transaction.atomic():  # also where nothing else was said before
        execute_at_once([(KEEP, ["a"])])
        with pytest.raises(IntegrityError), transaction.atomic():
            execute_at_once([(KEEP, ["a"])])
    assert words() == {"a"}


def test_what_is_larger_than_any_buffer_goes_through_both_ways():
    large = "x" * 5_000_000
    sent_back = ("SELECT $1::text", [large])
    execute_at_once([sent_back, sent_back, ("INSERT INTO kept SELECT md5($1)", [large]), sent_back])
    assert words() == {md5(large.encode(), usedforsecurity=False).hexdigest()}


def test_a_session_that_was_ended_is_an_error_and_the_next_connection_works():
    execute_at_once([("SELECT 1", [])])
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [connection.connection.info.backend_pid])
    other.close()

    def is_broken() -> bool:
        try:
            execute_at_once([("SELECT 1", [])])
        except OperationalError:
            return True
        return False

    assert wait_for(is_broken)
    connection.close()
    execute_at_once([(KEEP, ["a"])])
    assert words() == {"a"}


def test_bytes_are_a_text_in_a_transaction_and_outside_of_one():
    execute_at_once([(KEEP, ["\u00fc".encode()])])
    with transaction.atomic():
        execute_at_once([(KEEP, ["\u4e2d".encode()])])
    assert words() == {"\u00fc", "\u4e2d"}


def test_what_takes_longer_than_its_bound_is_an_error_and_leaves_nothing():
    started = time.monotonic()
    with pytest.raises(OperationalError, match="did not answer in time"):
        execute_at_once([(KEEP, ["a"]), ("SELECT pg_sleep(1.5)", [])], 0.3)

    assert 0.3 <= time.monotonic() - started < 2
    connection.close()
    assert words() == set()


def test_a_server_process_that_reads_nothing_any_more_keeps_nobody_longer_than_the_bound():
    """What is sent is larger than the socket's buffers, so that not all of it can be."""
    execute_at_once([("SELECT 1", [])])
    process = connection.connection.info.backend_pid
    os.kill(process, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(OperationalError, match="did not answer in time"):
            execute_at_once([("SELECT $1::text", ["x" * 20_000_000])], 0.3)
        connection.close()
        assert 0.3 <= time.monotonic() - started < 2
    finally:
        os.kill(process, signal.SIGCONT)


def test_the_bound_holds_in_an_open_transaction_too():
    with pytest.raises(OperationalError), transaction.atomic():
        execute_at_once([(KEEP, ["a"]), ("SELECT pg_sleep(1.5)", [])], 0.3)
    connection.close()
    assert words() == set()


@given(st.lists(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])), max_size=5))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_arrives_as_it_is(texts):
    texts = set(texts)
    execute_at_once([("DELETE FROM kept", []), *((KEEP, [text]) for text in texts)])
    assert words() == texts
