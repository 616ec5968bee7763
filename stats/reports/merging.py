"""The summaries of many rollup rows in one for each group: of a route, of a bucket, or of all.

Rows of hours that are over seldom change, so their merge is kept (`kept`); those of the running hour are
merged each time. Imported rows have no summaries and are not even read: an import changes no merge, and what
figures are worth with it follows from the counts (`figures`).
"""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from django.db.backends.utils import CursorWrapper

from stats.reports import kept
from stats.reports.figures import Merged
from stats.reports.reading import stream
from stats.reports.rows import Relation

ALL = "true"  # one group
ROUTE = "route"


def of_all(cursor: CursorWrapper, relation: Relation) -> Merged:
    """The summaries of all the rows."""
    return of_groups(cursor, relation, ALL).get(True, Merged())


def of_groups(
    cursor: CursorWrapper, relation: Relation, group: str, parameters: Sequence[Any] = ()
) -> dict[Any, Merged]:
    """A merge for each value of `group`, an expression of constants with its parameters, that has rows."""
    running = datetime.fromtimestamp(time.time() // 3600 * 3600, UTC)
    asked = sha256(repr((relation.scope, group, parameters)).encode()).hexdigest()
    # Built of constants only, the reader's words are parameters.
    # The condition is false of the whole imported part, which the planner then leaves out.
    rows = (
        f"SELECT {group} AS grouped, at, written, response_times, clients FROM {relation.sql}"  # noqa: S608
        " WHERE response_times IS NOT NULL"
    )
    given = [*parameters, *relation.parameters]
    keys = _keys(cursor, rows, [*given, running], asked)
    merged = {name: found for name, key in keys.items() if (found := kept.get(key)) is not None}
    if missing := [name for name in keys if name not in merged]:
        made = _merge(stream(*_of(rows, "at < %s AND grouped = ANY(%s)", [*given, running, missing])), {})
        for name, found in made.items():
            kept.put(keys[name], found)
        merged |= made
    # A row or two of each group: asked for in one go.
    cursor.execute(*_of(rows, "at >= %s", [*given, running]))
    return _merge(cursor.fetchall(), merged)


def _keys(cursor: CursorWrapper, rows: str, parameters: Sequence[Any], asked: str) -> dict[Any, Hashable]:
    """For each group of hours that are over: what its merge is made of."""
    cursor.execute(
        f"SELECT grouped, count(*), sum(written)::bigint FROM ({rows}) AS each WHERE at < %s GROUP BY 1",  # noqa: S608
        parameters,
    )
    return {row[0]: (asked, *row) for row in cursor.fetchall()}


def _of(rows: str, condition: str, parameters: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    return f"SELECT grouped, response_times, clients FROM ({rows}) AS each WHERE {condition}", parameters  # noqa: S608


def _merge(rows: Iterable[tuple[Any, ...]], merged: dict[Any, Merged]) -> dict[Any, Merged]:
    """`merged`, and these rows besides."""
    for name, response_times, clients in rows:
        if name not in merged:
            merged[name] = Merged()
        merged[name].add(response_times, clients)
    return merged
