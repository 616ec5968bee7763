"""Statements that go to PostgreSQL together stand or fall together, and leave a connection that works."""

from __future__ import annotations

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


def test_the_first_value_of_the_last_statement_comes_back():
    assert execute_at_once([("SELECT 1", []), ("SELECT $1::int + 1, 7", [41])]) == b"42"
    assert execute_at_once([("SELECT 1 WHERE false", [])]) is None
    assert execute_at_once([("SELECT NULL", [])]) is None
    assert execute_at_once([("SELECT 1", []), (KEEP, ["a"])]) is None


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
    assert execute_at_once([("SELECT current_setting('statement_timeout')", [])]) == b"0"


def test_in_an_open_transaction_they_are_a_part_of_it():
    with transaction.atomic():
        assert execute_at_once([(KEEP, ["a"]), ("SELECT count(*) FROM kept", [])]) == b"1"
        transaction.set_rollback(True)
    assert words() == set()

    with transaction.atomic():  # also where nothing else was said before
        execute_at_once([(KEEP, ["a"])])
        with pytest.raises(IntegrityError), transaction.atomic():
            execute_at_once([(KEEP, ["a"])])
    assert words() == {"a"}


def test_what_is_larger_than_any_buffer_goes_through_both_ways():
    large = "x" * 5_000_000
    assert execute_at_once([("SELECT $1::text", [large])] * 4) == large.encode()


def test_a_session_that_was_ended_is_an_error_and_the_next_connection_works():
    (pid,) = [execute_at_once([("SELECT pg_backend_pid()", [])])]
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [int(pid)])
    other.close()

    def is_broken() -> bool:
        try:
            execute_at_once([("SELECT 1", [])])
        except OperationalError:
            return True
        return False

    assert wait_for(is_broken)
    connection.close()
    assert execute_at_once([("SELECT 1", [])]) == b"1"


@given(st.lists(st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])), max_size=5))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_arrives_as_it_is(texts):
    for text in texts:
        assert execute_at_once([("SELECT $1::text", [text])]) == text.encode()
