"""All counts of a run in the order of their hours, however they came and however many there are.

In a database of SQLite's that has no name, lives in a temporary file and goes when it is closed: a temporary
table of PostgreSQL's would need one session, which a pooler does not give, or one long transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from stats.importing_counts.counts import Count

MEMORY_KB = 32_768  # that SQLite takes before it goes to the file

_TABLE = """
CREATE TABLE counts (hour INTEGER, route TEXT, requests INTEGER, errors INTEGER, source INTEGER, line INTEGER,
                     PRIMARY KEY (hour, route)) WITHOUT ROWID
"""
_ADD = "INSERT INTO counts VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
_PLACE = "SELECT source, line FROM counts WHERE hour = ? AND route = ?"
_SORTED = "SELECT hour, route, requests, errors, source FROM counts ORDER BY hour, requests DESC, route"


class Place(NamedTuple):
    """Where a count stands: the number of its source, and the line."""

    source: int
    line: int


class Sorted:
    """The counts of a run."""

    def __init__(self, scratch: sqlite3.Connection) -> None:
        self._scratch = scratch

    def add(self, count: Count, place: Place) -> Place | None:
        """None; or, if there is one of this route and hour already, where that stands, which stays."""
        if self._scratch.execute(_ADD, (*count, *place)).rowcount:
            return None
        return Place(*self._scratch.execute(_PLACE, count[:2]).fetchone())

    def __len__(self) -> int:
        return int(self._scratch.execute("SELECT count(*) FROM counts").fetchone()[0])

    def __iter__(self) -> Iterator[tuple[Count, int]]:
        """Each count and the number of its source: by hour, the busiest route of an hour first."""
        for *columns, source in self._scratch.execute(_SORTED):
            yield Count(*columns), source


@contextmanager
def sorting() -> Iterator[Sorted]:
    """Raises sqlite3.Error, for want of room."""
    scratch = sqlite3.connect("", isolation_level=None)
    try:
        scratch.execute(f"PRAGMA cache_size = -{MEMORY_KB}")
        scratch.execute("PRAGMA journal_mode = OFF")
        scratch.execute("BEGIN")
        scratch.execute(_TABLE)
        yield Sorted(scratch)
    finally:
        scratch.close()
