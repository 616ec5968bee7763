"""Bounds the distinct routes of an hour, so that whoever asks for many paths costs a bounded number of rows.

The first `STATS_ROUTES_PER_HOUR` routes of an hour are kept; an event of any further one is stored, and
rolled up, under `(other)`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
from django.db import connections

from gateway.conf import conf
from gateway.events import TrafficEvent

OTHER = "(other)"
HOUR_MS = 3_600_000

Key = tuple[int, str]  # hours since the epoch, route

_KNOWN = """
SELECT hour, route FROM stats_pathstatshourly
JOIN unnest(%s::timestamptz[], %s::text[]) AS wanted (hour, route) USING (hour, route)
"""

_COUNTS = """
SELECT hour, count(*) FROM stats_pathstatshourly WHERE hour = ANY(%s) AND route <> %s GROUP BY hour
"""


def apply(events: Sequence[TrafficEvent]) -> list[TrafficEvent]:
    """The events, those past the cap under `(other)`. In the transaction that stores them.

    Raises django.db.Error.
    """
    keys = dict.fromkeys((event.timestamp // HOUR_MS, event.route) for event in events)
    refused = _refused(keys)
    if not refused:
        return list(events)
    return [
        msgspec.structs.replace(event, route=OTHER)
        if (event.timestamp // HOUR_MS, event.route) in refused
        else event
        for event in events
    ]


def _refused(keys: Iterable[Key]) -> set[Key]:
    """The keys for which there is no room, first come first served."""
    keys = list(keys)
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_KNOWN, [[_datetime(hour) for hour, _ in keys], [route for _, route in keys]])
        known = {(_hour(found), route) for found, route in cursor.fetchall()}
        new = [key for key in keys if key not in known and key[1] != OTHER]
        if not new:
            return set()
        cursor.execute(_COUNTS, [sorted({_datetime(hour) for hour, _ in new}), OTHER])
        counts = defaultdict(int, {_hour(found): count for found, count in cursor.fetchall()})
    refused = set()
    for hour, route in new:
        if counts[hour] < conf.routes_per_hour:
            counts[hour] += 1
        else:
            refused.add((hour, route))
    return refused


def _datetime(hour: int) -> datetime:
    return datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC)


def _hour(found: datetime) -> int:
    return int(found.timestamp() * 1000) // HOUR_MS
