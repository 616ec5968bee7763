"""Whose fault an exception is: the environment's, which gives the delivery back, or the batch's.

The classes are PostgreSQL's (appendix A of its manual, "Error Codes").
"""

from __future__ import annotations

from typing import Final

from django.db import InterfaceError, OperationalError

# Simply tried again: the same transaction would succeed by itself.
TRANSIENT: Final = (
    "40001",  # serialization failure
    "40P01",  # deadlock
    "23505",  # unique violation: another writer stored an event between our look and our insert
)

TIMED_OUT: Final = "57014"  # statement timeout

ENVIRONMENT: Final = (
    "08",  # connection
    "25",  # transaction state: read-only (a standby), idle or transaction time-out
    "40",  # transaction rollback
    "42501",  # privileges
    "42P01",  # table not there: not migrated yet
    "42703",  # column not there: not migrated yet
    "42883",  # function not there
    "53",  # disk full, out of memory, too many connections
    "55",  # lock not available, object in use
    "57",  # statement timeout, shutdown, crash
    "58",  # the system below PostgreSQL
)


def sqlstate(error: BaseException) -> str | None:
    """The SQLSTATE that PostgreSQL gave, if any."""
    state = getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None)
    return str(state) if state else None


def is_transient(error: BaseException) -> bool:
    """Whether the same transaction is simply to be tried again."""
    return sqlstate(error) in TRANSIENT


def is_timeout(error: BaseException) -> bool:
    """Whether the work took too long; less of it may not."""
    return sqlstate(error) == TIMED_OUT


def is_environment(error: BaseException) -> bool:
    """Whether the error says nothing about the batch that was worked on."""
    state = sqlstate(error)
    if state is not None:
        return state.startswith(ENVIRONMENT)
    # No SQLSTATE: the server never answered, or the connection is gone.
    return isinstance(error, OperationalError | InterfaceError | OSError)


def one_line(error: BaseException) -> str:
    """What an error says, in one line, with its type and SQLSTATE."""
    text = " ".join(str(error).split())
    state = sqlstate(error)
    return f"{type(error).__name__}{f' [{state}]' if state else ''}: {text}"
