"""Statements whose parameters PostgreSQL gets beside the text, not in it.

Django puts them in as literals, which have to be quoted here and read there: with large ones that takes
longer than the statement itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
from django.db import connections

from gateway.conf import conf


def execute_bound(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Runs one statement in the caller's transaction, if there is one; its rows, if it has any.

    They come in PostgreSQL's binary form: bytes as text are hexadecimal. Raises django.db.Error.
    """
    connection = connections[conf.database]
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(sql, parameters, binary=True)
        return cursor.fetchall() if cursor.description else []
