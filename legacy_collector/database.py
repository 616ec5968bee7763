"""Access to the collector's database: bounded in time, and a connection that broke is not kept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.db import Error, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from gateway.conf import conf
from gateway.deadline import deadline


class CollectorRefused(Exception):
    """The collector did not do what it was asked; asking again is safe.

    Its database can't be reached or written, is locked, did not answer in time (SQLite: the time-out in
    `DATABASES`, 2 s; a server: `TRAFFIC_SEND_TIMEOUT`), or it holds `LEGACY_MAX_EVENTS` events that all
    wait to be replayed.
    """


@contextmanager
def reading() -> Iterator[BaseDatabaseWrapper]:
    """A connection to look with. On SQLite without a transaction, which would wait for writers.

    Raises CollectorRefused.
    """
    with _refusing() as connection:
        if connection.vendor == "sqlite":
            yield connection
        else:
            with _bounded(connection):
                yield connection


@contextmanager
def writing() -> Iterator[BaseDatabaseWrapper]:
    """A connection in a transaction that is committed at the end. Raises CollectorRefused."""
    with _refusing() as connection, _bounded(connection):
        yield connection


@contextmanager
def _refusing() -> Iterator[BaseDatabaseWrapper]:
    connection = connections[conf.legacy_database]
    try:
        yield connection
    except (Error, OSError) as error:
        connection.close()
        raise CollectorRefused(" ".join(str(error).split()) or type(error).__name__) from error


@contextmanager
def _bounded(connection: BaseDatabaseWrapper) -> Iterator[None]:
    with ExitStack() as stack:
        if connection.vendor == "postgresql":
            stack.enter_context(deadline(connection, conf.send_timeout))
        stack.enter_context(transaction.atomic(using=connection.alias))
        if connection.vendor == "postgresql":
            # The server's word first: it says what was waited for, and the connection lives.
            _limit(connection, conf.send_timeout * 0.9)
        yield


def _limit(connection: BaseDatabaseWrapper, seconds: float) -> None:
    milliseconds = f"{seconds * 1000:.0f}"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, true), set_config('lock_timeout', %s, true)",
            [milliseconds, milliseconds],
        )
