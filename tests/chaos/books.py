"""What a system's stores say: which requests are counted, which wait and where, which are dead letters."""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.core.signing import b64_decode

from tests.load import PREFIX, path_of

Query = Callable[..., list[tuple[Any, ...]]]  # SQL and its parameters

REQUEST_ID = re.compile(r'"request_id":"(c\d+-\w+)"')
SETTLED = re.compile(rb"S ([0-9a-f]{8})\n")  # a segment's first line: the offset of what no store has yet
TASK = re.compile(r"c\d+-[an]\d+")
# Routes and hours, and hours over all routes, whose statistics differ from the rows.
MISMATCH = """
    WITH row AS
        (SELECT route, "timestamp" / 3600000 AS hour, count(*) AS requests FROM stats_event GROUP BY 1, 2),
    counted AS
        (SELECT route, hour, requests FROM row
         UNION ALL SELECT '(all)', hour, sum(requests) FROM row GROUP BY 2),
    rollup AS
        (SELECT route, (extract(epoch FROM hour) / 3600)::bigint AS hour, requests FROM stats_pathstatshourly
         UNION ALL
         SELECT '(all)', (extract(epoch FROM hour) / 3600)::bigint, requests FROM stats_totalshourly)
    SELECT count(*) FROM counted FULL JOIN rollup USING (route, hour)
    WHERE counted.requests IS DISTINCT FROM rollup.requests
"""


@dataclass
class Books:
    """Requests by where they are. One may be in several places: what was counted may wait once more."""

    counted: Counter[str] = field(default_factory=Counter)  # request id: rows
    waiting: dict[str, set[str]] = field(default_factory=dict)  # by place
    dead: Counter[str] = field(default_factory=Counter)  # dead letters; "" where no request can be named
    surplus: int = 0  # requests in the rollups beyond the rows
    mismatch: int = 0  # route-hours whose rollup differs from its rows

    @property
    def waits(self) -> set[str]:
        return set().union(*self.waiting.values())


def read_tallygate(query: Query, var_dir: Path) -> Books:
    """All of Tallygate's stores. Raises psycopg.Error, sqlite3.Error and OSError."""
    ((requests, rows),) = query(
        "SELECT (SELECT coalesce(sum(requests), 0)::bigint FROM stats_pathstatshourly),"
        " (SELECT count(*) FROM stats_event)"
    )
    dead: Counter[str] = Counter()
    for (payload,) in query("SELECT payload FROM stats_deadletter WHERE state = 'dead'"):
        dead.update(REQUEST_ID.findall(payload)[:1] or [""])
    return Books(
        counted=_rows(query, "stats_event"),
        waiting={
            "queue": _ids(payload for (payload,) in query("SELECT payload FROM gateway_queuedbatch")),
            "collector": _ids(collected(var_dir)),
            "journal": _ids(journalled(var_dir)),
        },
        dead=dead,
        surplus=max(0, requests - rows),
        mismatch=int(query(MISMATCH)[0][0]),
    )


def read_bare(query: Query, var_dir: Path) -> Books:
    """The stores of the plain django-q2 task per event, which keeps nothing but rows and tasks."""
    tasks = {
        request_id
        for (payload,) in query("SELECT payload FROM django_q_ormq")
        for request_id in TASK.findall(_readable(payload))
    }
    return Books(counted=_rows(query, "bare_event"), waiting={"queue": tasks})


def collected(var_dir: Path) -> list[str]:
    """Payloads in the collector that wait to be replayed. Raises sqlite3.Error."""
    path = var_dir / "legacy" / "collector.sqlite3"
    with closing(sqlite3.connect(path, timeout=2)) as connection:
        rows = connection.execute("SELECT payload FROM legacy_collector_collectedevent WHERE replay_pending")
        return [payload for (payload,) in rows]


def journalled(var_dir: Path) -> list[str]:
    """What the journal's segments hold behind the offset that their first lines tell. Raises OSError."""
    found: list[str] = []
    for path in sorted((var_dir / "journal").glob("*")):
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # settled meanwhile
            continue
        settled = SETTLED.match(content)
        found.append(content[int(settled[1], 16) if settled else 0 :].strip(b"\0").decode(errors="replace"))
    return found


def _readable(payload: str) -> str:
    """A task's signed pickle as text to be searched; it is neither verified nor loaded."""
    encoded = payload.rsplit(":", 2)[0]
    content = b64_decode(encoded.removeprefix(".").encode())
    content = zlib.decompress(content) if encoded.startswith(".") else content
    return content.decode("latin-1")


def _rows(query: Query, table: str) -> Counter[str]:
    """Rows by request id; one whose path belongs to another request counts as somebody else's."""
    sql = f"SELECT request_id, path, count(*) FROM {table} WHERE starts_with(path, %s) GROUP BY 1, 2"
    counted: Counter[str] = Counter()
    for request_id, path, rows in query(sql, PREFIX):
        counted[request_id if path_of(request_id) == path else path] += rows
    return counted


def _ids(texts: Iterable[str]) -> set[str]:
    return {request_id for text in texts for request_id in REQUEST_ID.findall(text)}
