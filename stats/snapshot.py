"""The last 24 hours, kept where every process sees them, so that a page is there at once.

Made anew beside the consumer while it counts (`stats.refresher`), and by a schedule. One process at a time
does it, and readers get the one before meanwhile.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal
from zlib import crc32

import msgspec
from django.db import Error, connections

from gateway.conf import conf
from gateway.deadline import deadline
from stats import read_from, reports
from stats.errors import one_line
from stats.read_from import NOBODY
from stats.reports.reading import reading
from stats.reports.shapes import Overview, Routes

logger = logging.getLogger(__name__)

VERSION = 2  # of the payload; one of another version counts as missing
NAME = "last-24h"
LAST = "24h"
ROUTES = 100
STATEMENT_SECONDS = 2.0  # bound on each statement of a refresh
SECONDS = 5.0  # bound on a refresh, for a server that hangs

_READ = """
SELECT payload::text, made_at, extract(epoch FROM clock_timestamp() - made_at)::float8
FROM stats_snapshot WHERE name = %s AND version = %s
"""

_WRITE = """
INSERT INTO stats_snapshot AS kept (name, version, payload, made_at) VALUES (%s, %s, %s, %s)
ON CONFLICT (name) DO UPDATE SET
    version = excluded.version, payload = excluded.payload, made_at = excluded.made_at
    WHERE kept.made_at < excluded.made_at
"""


@dataclass(frozen=True)
class Payload:
    """What is kept. A change of these shapes needs another VERSION."""

    overview: Overview
    routes: Routes


@dataclass(frozen=True)
class Snapshot:
    """Overview and top routes (by requests) of the last 24 hours, as of `made_at`."""

    overview: Overview
    routes: Routes
    made_at: datetime
    age_seconds: float
    data_source: Literal["snapshot", "database", "legacy"]


def read(reader: str = NOBODY) -> Snapshot:
    """The snapshot, however old; the reports' answer if there is none, or the collector answers the reader.

    Raises ReportTimedOut, CollectorRefused, django.db.Error.
    """
    if read_from.in_force().source_of(reader) == "queue":
        try:
            kept = _kept()
        except (Error, OSError) as error:
            logger.warning("Snapshot not read: %s", one_line(error))
            kept = None
        if kept is not None:
            return kept
    made = _made_for(reader)
    is_legacy = made.overview.data_source == "legacy"
    source: Literal["legacy", "database"] = "legacy" if is_legacy else "database"
    return Snapshot(made.overview, made.routes, datetime.now(UTC), 0.0, source)


def _kept() -> Snapshot | None:
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_READ, [NAME, VERSION])
        row = cursor.fetchone()
    if row is None:
        return None
    try:
        kept = _decoder.decode(row[0])
    except msgspec.DecodeError as error:
        logger.error("Snapshot can't be read: %s", error)
        return None
    return Snapshot(kept.overview, kept.routes, row[1], max(0.0, row[2]), "snapshot")


def refresh() -> bool:
    """Makes it anew; False if another process is at it. Not inside a transaction.

    While the queue path has nothing of the time, none is kept: it would hide what the collector says.
    Raises ReportTimedOut, django.db.Error.
    """
    connection = connections[conf.database]
    with deadline(connection, SECONDS):
        with reading(STATEMENT_SECONDS) as cursor:
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [crc32(NAME.encode())])
            if not cursor.fetchone()[0]:
                return False
            # In this transaction the queue path answers, and all of one moment.
            now, made = _now(cursor), _made_for(NOBODY)
        with connection.cursor() as cursor:
            if made.overview.is_empty:
                cursor.execute("DELETE FROM stats_snapshot WHERE name = %s", [NAME])
            else:
                cursor.execute(_WRITE, [NAME, VERSION, msgspec.json.encode(made).decode(), now])
    return True


_decoder = msgspec.json.Decoder(Payload)


def _made_for(reader: str) -> Payload:
    period = reports.Range.last(LAST)
    return Payload(
        reports.overview(period, reader=reader), reports.routes(period, limit=ROUTES, reader=reader)
    )


def _now(cursor: Any) -> datetime:
    cursor.execute("SELECT now()")
    return cursor.fetchone()[0]
