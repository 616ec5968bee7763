"""The transaction of a report: one view of all tables, nothing written, bounded in time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError, connections, transaction
from django.db.backends.utils import CursorWrapper

from gateway.conf import conf
from stats.errors import is_timeout
from stats.reports.errors import ReportTimedOut

SECONDS = 10.0  # bound on each statement
STREAMED = 500  # rows that are fetched at once: a row may hold a summary of some kB

# Compiling such a query, or starting processes for it, takes longer than running it; and counting goes first.
_LIMITS = """
SELECT set_config('statement_timeout', %s, true), set_config('jit', 'off', true),
       set_config('max_parallel_workers_per_gather', '0', true)
"""


@contextmanager
def reading(seconds: float = SECONDS) -> Iterator[CursorWrapper]:
    """A cursor whose statements all see the same moment: days and their rows agree.

    Inside a report's transaction it joins that; inside somebody else's it sees what that sees, and has no
    bound but that one's. Raises ReportTimedOut.
    """
    connection = connections[conf.database]
    try:
        if connection.in_atomic_block:
            with connection.cursor() as cursor:
                yield cursor
            return
        with transaction.atomic(using=conf.database), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute(_LIMITS, [f"{seconds * 1000:.0f}"])
            yield cursor
    except OperationalError as error:
        if not is_timeout(error):
            raise
        raise ReportTimedOut(f"the report took longer than {seconds:g} s") from error


def stream(sql: str, parameters: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    """Rows that are worked on one by one, of which only some are in memory; inside a report's transaction.

    What is done with them counts: the server's bound knows only its own time. Raises ReportTimedOut.
    """
    ends_at = time.monotonic() + SECONDS
    with connections[conf.database].chunked_cursor() as cursor:
        cursor.execute(sql, parameters)
        while rows := cursor.fetchmany(STREAMED):
            yield from rows
            if time.monotonic() > ends_at:
                raise ReportTimedOut(f"the report took longer than {SECONDS:g} s")
