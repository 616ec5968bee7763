"""Statements whose parameters PostgreSQL gets beside the text, not in it.

Django puts them in as literals, which have to be quoted here and read there: with large ones that takes
longer than the statement itself.
"""

from __future__ import annotations

import math
import select
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import psycopg
from django.db import connections
from psycopg import pq

from gateway.conf import conf
from gateway.deadline import deadline

Parameter = bytes | str | int  # bytes are a text in UTF-8
_DONE = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


def execute_bound(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Runs one statement in the caller's transaction, if there is one; its rows, if it has any.

    They come in PostgreSQL's binary form: bytes as text are hexadecimal. Raises django.db.Error.
    """
    connection = connections[conf.database]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql, parameters, binary=True)
        return cursor.fetchall() if cursor.description else []


def execute_at_once(
    statements: Sequence[tuple[str, Sequence[Parameter]]], seconds: float | None = None
) -> None:
    """Runs statements, all or none, in one round trip, within `seconds` if they are bounded by this side.

    Placeholders are PostgreSQL's own (`$1`). In a transaction that is open, they are part of it; otherwise
    they are one of their own. Raises django.db.Error; a connection that broke, or was too slow, must be
    closed then.

    BEGIN, statements and COMMIT one after the other cost a hand-over of some events several times the CPU:
    each waits for its answer, which takes psycopg and the scheduler longer than the work.
    """
    connection = connections[conf.database]
    connection.ensure_connection()
    with connection.wrap_database_errors:
        if not connection.in_atomic_block:
            _pipelined(connection.connection.pgconn, statements, seconds)
            return
        bounded = nullcontext() if seconds is None else deadline(connection, seconds)
        with bounded, psycopg.RawCursor(connection.connection) as cursor:
            for sql, parameters in statements:
                cursor.execute(sql, [_as_text(parameter) for parameter in parameters])


def _pipelined(
    pgconn: pq.abc.PGconn, statements: Sequence[tuple[str, Sequence[Parameter]]], seconds: float | None
) -> None:
    """Up to the synchronization, PostgreSQL takes what comes in a pipeline as one transaction.

    Where this code itself waits for it, it bounds that itself: a `deadline` costs as much as all else here.
    """
    until = math.inf if seconds is None else time.monotonic() + seconds
    pgconn.enter_pipeline_mode()
    for sql, parameters in statements:
        pgconn.send_query_params(sql.encode(), [_as_bytes(parameter) for parameter in parameters])
    pgconn.pipeline_sync()
    while pgconn.flush():
        _await(pgconn.socket, select.POLLIN | select.POLLOUT, until)
        pgconn.consume_input()
    failed: pq.abc.PGresult | None = None
    while True:
        while pgconn.is_busy():
            _await(pgconn.socket, select.POLLIN, until)
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # the end of one statement's results, or of the connection
            if pgconn.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError(pgconn.get_error_message())
            continue
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            break
        if result.status not in _DONE and failed is None:
            failed = result
    pgconn.exit_pipeline_mode()
    if failed is not None:
        raise psycopg.errors.error_from_result(failed)


def _await(descriptor: int, events: int, until: float) -> None:
    """Waits for one of these events, no longer than `until` by the monotonic clock."""
    poll = select.poll()
    poll.register(descriptor, events)
    left = until - time.monotonic()
    if not poll.poll(None if left == math.inf else max(0.0, left) * 1000):
        raise psycopg.OperationalError("PostgreSQL did not answer in time")


def _as_bytes(parameter: Parameter) -> bytes:
    return parameter if isinstance(parameter, bytes) else str(parameter).encode()


def _as_text(parameter: Parameter) -> str | int:
    """As psycopg wants it, which takes bytes for PostgreSQL's."""
    return parameter.decode() if isinstance(parameter, bytes) else parameter
