"""Whose fault an error is."""

from __future__ import annotations

import pytest
from django.db import DataError, IntegrityError, InterfaceError, OperationalError, ProgrammingError

from stats.errors import is_environment, is_timeout, is_transient, one_line


def raised(kind: type[Exception], sqlstate: str | None) -> Exception:
    """As Django raises it: the driver's error, which knows the SQLSTATE, is the cause."""
    error = kind("something\nhappened")
    error.__cause__ = Exception()
    error.__cause__.sqlstate = sqlstate  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("sqlstate", "what"),
    [
        ("08006", "connection failure"),
        ("25006", "read-only transaction"),
        ("40P01", "deadlock"),
        ("42501", "privileges"),
        ("42P01", "table not there yet"),
        ("53100", "disk full"),
        ("53300", "too many connections"),
        ("55P03", "lock not available"),
        ("57014", "statement timeout"),
        ("57P01", "shutdown"),
        ("58030", "input or output error"),
    ],
)
def test_the_environment_is_to_blame(sqlstate, what):
    assert is_environment(raised(OperationalError, sqlstate)), what


@pytest.mark.parametrize("sqlstate", ["22001", "22P02", "23514", "23505", "P0001", "XX000"])
def test_the_batch_is_to_blame(sqlstate):
    assert not is_environment(raised(DataError, sqlstate))


def test_without_a_sqlstate_a_lost_connection_is_the_environments():
    assert is_environment(OperationalError("the connection is lost"))
    assert is_environment(InterfaceError("closed"))
    assert is_environment(OSError("no"))
    assert not is_environment(ValueError("bug"))
    assert not is_environment(IntegrityError("no"))
    assert not is_environment(ProgrammingError("no"))


def test_a_deadlock_is_simply_tried_again():
    assert is_transient(raised(OperationalError, "40P01"))
    assert is_transient(raised(OperationalError, "40001"))
    assert not is_transient(raised(OperationalError, "57014"))


def test_a_statement_that_took_too_long_is_told_from_a_lock_that_did():
    assert is_timeout(raised(OperationalError, "57014"))
    assert not is_timeout(raised(OperationalError, "55P03"))
    assert not is_timeout(OperationalError("the connection is lost"))


def test_an_error_is_one_line_with_its_type_and_sqlstate():
    assert one_line(raised(DataError, "22001")) == "DataError [22001]: something happened"
