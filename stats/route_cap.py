"""Bounds the distinct routes of an hour, so that whoever asks for many paths costs a bounded number of rows.

The first `STATS_ROUTES_PER_HOUR` routes of an hour are kept; an event of any further one is stored, and
rolled up, under `(other)`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from datetime import UTC, datetime

import msgspec
from django.db import connections

from gateway.conf import conf
from gateway.events import TrafficEvent

OTHER = "(other)"
HOUR_MS = 3_600_000

Key = tuple[int, str]  # hours since the epoch, route

_COUNTS = """
SELECT (extract(epoch FROM hour) / 3600)::int8, count(*) FROM stats_pathstatshourly
WHERE hour = ANY(%s) AND route <> %s GROUP BY hour
"""


def refused(keys: Iterable[Key], known: Container[Key]) -> set[Key]:
    """Those of the keys for which there is no room, first come first served.

    `known` are those that have a row. In the transaction that adds the others. Raises django.db.Error.
    """
    new = [key for key in keys if key not in known and key[1] != OTHER]
    if not new:
        return set()
    hours = [datetime.fromtimestamp(hour * HOUR_MS / 1000, UTC) for hour in sorted({hour for hour, _ in new})]
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_COUNTS, [hours, OTHER])
        counts = defaultdict(int, cursor.fetchall())
    found = set()
    for key in new:
        if counts[key[0]] < conf.routes_per_hour:
            counts[key[0]] += 1
        else:
            found.add(key)
    return found


def capped(event: TrafficEvent) -> TrafficEvent:
    """The event as it is stored and counted when there is no room for its route."""
    return msgspec.structs.replace(event, route=OTHER)
