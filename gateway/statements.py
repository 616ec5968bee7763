"""Statements whose parameters PostgreSQL gets beside the text, not in it.

Django puts them in as literals, which have to be quoted here and read there: with large ones that takes
longer than the statement itself.
"""

from __future__ import annotations

import select
from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connections
from psycopg import pq

from gateway.conf import conf

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


def execute_at_once(statements: Sequence[tuple[str, Sequence[str | int]]]) -> bytes | None:
    """Runs statements, all or none, in one round trip; the first value of the last one, as text.

    Placeholders are PostgreSQL's own (`$1`). In a transaction that is open, they are part of it; otherwise
    they are one of their own. Raises django.db.Error; a connection that broke must be closed then.

    BEGIN, statements and COMMIT one after the other cost a hand-over of some events several times the CPU:
    each waits for its answer, which takes psycopg and the scheduler longer than the work.
    """
    connection = connections[conf.database]
    connection.ensure_connection()
    with connection.wrap_database_errors:
        if not connection.in_atomic_block:
            return _pipelined(connection.connection.pgconn, statements)
        with psycopg.RawCursor(connection.connection) as cursor:
            for sql, parameters in statements:
                cursor.execute(sql, parameters)
            return _first_value(cursor.pgresult)


def _pipelined(pgconn: pq.abc.PGconn, statements: Sequence[tuple[str, Sequence[str | int]]]) -> bytes | None:
    """Up to the synchronization, PostgreSQL takes what comes in a pipeline as one transaction."""
    pgconn.enter_pipeline_mode()
    for sql, parameters in statements:
        pgconn.send_query_params(sql.encode(), [str(parameter).encode() for parameter in parameters])
    pgconn.pipeline_sync()
    answered = select.poll()
    answered.register(pgconn.socket, select.POLLIN)
    may_write = select.poll()
    may_write.register(pgconn.socket, select.POLLIN | select.POLLOUT)
    while pgconn.flush():
        may_write.poll()
        pgconn.consume_input()
    last: pq.abc.PGresult | None = None
    failed: pq.abc.PGresult | None = None
    while True:
        while pgconn.is_busy():
            answered.poll()
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:  # the end of one statement's results, or of the connection
            if pgconn.status != pq.ConnStatus.OK:
                raise psycopg.OperationalError(pgconn.get_error_message())
            continue
        if result.status == pq.ExecStatus.PIPELINE_SYNC:
            break
        last = result
        if result.status not in _DONE and failed is None:
            failed = result
    pgconn.exit_pipeline_mode()
    if failed is not None:
        raise psycopg.errors.error_from_result(failed)
    return _first_value(last)


def _first_value(result: pq.abc.PGresult | None) -> bytes | None:
    return result.get_value(0, 0) if result is not None and result.ntuples else None
