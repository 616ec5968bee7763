"""The transaction of a report: one view of all tables, nothing written, bounded in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import OperationalError, connections, transaction
from django.db.backends.utils import CursorWrapper

from gateway.conf import conf
from stats.errors import sqlstate
from stats.reports.errors import ReportTimedOut

SECONDS = 10.0  # bound on each statement
QUERY_CANCELED = "57014"

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
        if sqlstate(error) != QUERY_CANCELED:
            raise
        raise ReportTimedOut(f"the report took longer than {seconds:g} s") from error
