"""Days: whether events may still be stored for one.

A sealed day's events were dropped, so a repeat could no longer be told from a new event: what arrives for
it is never counted. Sealing changes the day's row, and each transaction that stores events of a day holds
that row, so the two wait for each other.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from django.db import connections

from gateway.conf import conf

_OPEN = """
INSERT INTO stats_trafficday AS known (day)
SELECT day FROM unnest(%s::date[]) AS wanted (day) ORDER BY day
ON CONFLICT (day) DO UPDATE SET version = known.version + 1, last_arrival_at = now()
    WHERE known.sealed_at IS NULL
RETURNING day
"""


def open_days(days: Collection[date]) -> set[date]:
    """Those of the days that are not sealed, held until the caller's transaction ends.

    Raises django.db.Error.
    """
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_OPEN, [sorted(days)])
        return {row[0] for row in cursor.fetchall()}


def sealed_days() -> set[date]:
    """All days whose events were dropped. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute("SELECT day FROM stats_trafficday WHERE sealed_at IS NOT NULL")
        return {row[0] for row in cursor.fetchall()}
