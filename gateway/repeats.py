"""The memory that gives a repeated edge request the first one's time, and so the first one's id.

A retrying edge sends the same request again a little later. Its client, method, path and request id are
the same; only the arrival differs. The memory is one SQLite file under `VAR_DIR`, shared by all processes
of the host, asked by the sender for a batch at a time. It remembers each answer by arrival, so that a
batch that is sent twice gets the same answers twice.
"""

from __future__ import annotations

import hashlib
import logging
import random
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace

from gateway.conf import conf
from gateway.events import TrafficEvent
from gateway.idempotency import generate_idempotent_id

logger = logging.getLogger(__name__)

WINDOW_MS = 600_000  # a repeat arrives within 10 minutes of the first
KEEP_MS = 24 * 3_600_000  # a batch that waits in the journal meanwhile gets the same answers
MAX_ROWS = 500_000
BUSY_SECONDS = 0.5
COUNT_SHARE = 0.05  # of the calls that count the rows, which takes milliseconds when there are many

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seen (
    key BLOB NOT NULL,         -- 16 bytes of SHA-256 over client, method, path, request id
    arrival INTEGER NOT NULL,  -- ms since the epoch
    first INTEGER NOT NULL,    -- the time it was given: its own arrival, or an earlier one's
    PRIMARY KEY (key, arrival)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_arrival ON seen (arrival);
"""


def memory_path() -> Path:
    return conf.var_dir / "repeats" / "seen.sqlite3"


def resolve(events: Sequence[TrafficEvent]) -> tuple[list[TrafficEvent], int]:
    """The events, repeats among them under the first one's time and id, and the number of repeats.

    Raises sqlite3.Error or OSError if the memory can't be asked; the events then stand as they are. A
    memory that is damaged is begun anew.
    """
    path = memory_path()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        resolved = _resolve(path, events)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        logger.error("Memory of repeats is damaged and begun anew: %s", error)
        for part in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            part.unlink(missing_ok=True)
        resolved = _resolve(path, events)
    return resolved, sum(now is not before for now, before in zip(resolved, events, strict=True))


def _resolve(path: Path, events: Sequence[TrafficEvent]) -> list[TrafficEvent]:
    # A connection a batch: it costs 0.1 ms, and nothing is carried over a fork.
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as memory:
        _use_wal(memory)
        memory.execute("PRAGMA synchronous=OFF")  # what a power cut forgets is ten minutes of repeats
        memory.executescript(_SCHEMA)
        memory.execute("BEGIN IMMEDIATE")
        resolved = [_with_time(event, _first_time(memory, event)) for event in events]
        _forget(memory, max(event.timestamp for event in events))
        memory.execute("COMMIT")
    return resolved


def _use_wal(memory: sqlite3.Connection) -> None:
    """The switch, made once in a file's life, does not wait for others like a statement does."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            memory.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def _first_time(memory: sqlite3.Connection, event: TrafficEvent) -> int:
    key, arrival = _key(event), event.timestamp
    known = memory.execute("SELECT first FROM seen WHERE key = ? AND arrival = ?", (key, arrival)).fetchone()
    if known:
        return int(known[0])
    # Firsts only: a chain of repeats must not stretch the window. An earlier first wins over a later one,
    # which stands there if another process sent its batch sooner.
    row = memory.execute(
        "SELECT first FROM seen WHERE key = ? AND first = arrival AND arrival BETWEEN ? AND ?"
        " ORDER BY arrival > ?, abs(arrival - ?) LIMIT 1",
        (key, arrival - WINDOW_MS, arrival + WINDOW_MS, arrival, arrival),
    ).fetchone()
    first = int(row[0]) if row else arrival
    memory.execute("INSERT INTO seen VALUES (?, ?, ?)", (key, arrival, first))
    return first


def _key(event: TrafficEvent) -> bytes:
    parts = (event.client_ip_hash, event.method, event.path, event.request_id)
    return hashlib.sha256("\0".join(parts).encode()).digest()[:16]


def _with_time(event: TrafficEvent, first: int) -> TrafficEvent:
    if first == event.timestamp:
        return event
    idempotent_id = generate_idempotent_id(first, event.client_ip_hash, event.path, event.request_id)
    return replace(event, timestamp=first, idempotent_id=idempotent_id)


def _forget(memory: sqlite3.Connection, now: int) -> None:
    """Bounds the memory: by age, and by rows if a flood outruns the age."""
    memory.execute("DELETE FROM seen WHERE arrival < ?", (now - KEEP_MS,))
    if random.random() > COUNT_SHARE:  # noqa: S311
        return
    (rows,) = memory.execute("SELECT count(*) FROM seen").fetchone()
    if rows > MAX_ROWS:
        memory.execute(
            "DELETE FROM seen WHERE (key, arrival) IN"
            " (SELECT key, arrival FROM seen ORDER BY arrival LIMIT ?)",
            (rows - MAX_ROWS * 9 // 10,),
        )
