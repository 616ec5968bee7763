"""What all of the queue's statements share: bounded transactions, and the lock of the one consumer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from zlib import crc32

from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper

from gateway.conf import conf

WORK_SECONDS = 20.0  # bound on one transaction of the consumer
LOCK_SECONDS = 5.0  # bound on waiting for another consumer, or for somebody's lock


@contextmanager
def bounded_transaction(seconds: float) -> Iterator[CursorWrapper]:
    """A transaction with bounded statements and lock waits, and its cursor."""
    with transaction.atomic(using=conf.database), connections[conf.database].cursor() as cursor:
        limit(cursor, seconds)
        yield cursor


def limit(cursor: CursorWrapper, seconds: float) -> None:
    cursor.execute(limits(seconds))


def limits(seconds: float) -> str:
    """The statement that bounds those behind it in its transaction, and how long they wait for locks."""
    statement, lock = (f"{bound * 1000:.0f}" for bound in (seconds, min(seconds, LOCK_SECONDS)))
    return (
        f"SELECT set_config('statement_timeout', '{statement}', true),"
        f" set_config('lock_timeout', '{lock}', true)"
    )


def exclude_other_consumers(cursor: CursorWrapper) -> None:
    """One consumer at a time. A transaction's lock, since a session's does not survive a pooler."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [lock_key()])


def lock_key() -> int:
    return crc32(conf.queue.name.encode())


def execute(sql: str, parameters: Sequence[Any]) -> None:
    with connections[conf.database].cursor() as cursor:
        cursor.execute(sql, parameters)


def fetch(sql: str, parameters: Sequence[Any] | None = None) -> tuple[Any, ...]:
    with connections[conf.database].cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()
