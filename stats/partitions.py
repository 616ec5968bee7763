"""Day partitions of the event table: made before the transaction that needs them.

The partition key is the id, whose first 13 characters are milliseconds, so a day's bounds are the
milliseconds of its two midnights (UTC) as text.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from django.db import connections, transaction

from gateway.conf import conf
from gateway.events import TrafficEvent

logger = logging.getLogger(__name__)

DAY_MS = 86_400_000
DAYS_AHEAD = 2
LOCK_SECONDS = 5.0

# Days whose partition this process has seen: it is dropped only by sealing, which the consumer checks.
_known: set[date] = set()


def day_of(timestamp: int) -> date:
    """The UTC day of a millisecond."""
    return _day(timestamp // DAY_MS)


def days_of(events: Iterable[TrafficEvent]) -> set[date]:
    """The UTC days of events: few, of many."""
    return {_day(number) for number in {event.timestamp // DAY_MS for event in events}}


@lru_cache(maxsize=1024)
def _day(number: int) -> date:
    """By days since the epoch: there are few."""
    return datetime.fromtimestamp(number * DAY_MS // 1000, UTC).date()


def partition_name(day: date) -> str:
    return f"stats_event_{day:%Y%m%d}"


def bounds(day: date) -> tuple[str, str]:
    """First millisecond of the day and of the next one, as ids begin."""
    first = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
    return f"{first:013d}", f"{first + DAY_MS:013d}"


def ensure(days: Iterable[date]) -> None:
    """Makes the partitions of these days that are missing. Raises django.db.Error.

    Not to be called inside a transaction: each partition is a short one of its own.
    """
    for day in sorted(set(days) - _known):
        _create(day)
        _known.add(day)


def ensure_ahead(now: datetime) -> None:
    """Makes today's partition and those of the next days, so that midnight finds them ready."""
    ensure(now.date() + timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1))


def forget(days: Iterable[date] | None = None) -> None:
    """Looks again the next time: after an error that says a partition is not there."""
    if days is None:
        _known.clear()
    else:
        _known.difference_update(days)


def _create(day: date) -> None:
    """CREATE beside the table, then ATTACH, which locks its readers and writers out far less.

    ATTACH takes SHARE UPDATE EXCLUSIVE on the parent; PARTITION OF would take ACCESS EXCLUSIVE and wait
    for every reader, with every writer waiting behind it.
    """
    name, (first, end) = partition_name(day), bounds(day)
    with transaction.atomic(using=conf.database), connections[conf.database].cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_SECONDS * 1000:.0f}"])
        # Two processes may want the same day: the second waits here and then finds it.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
        cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [name])
        if cursor.fetchone()[0]:
            return
        cursor.execute("SELECT FROM stats_trafficday WHERE day = %s AND sealed_at IS NOT NULL", [day])
        if cursor.fetchone() is not None:
            return  # nothing is stored for it any more
        # Names and bounds are made of digits above: identifiers can't be parameters.
        cursor.execute(f"CREATE TABLE {name} (LIKE stats_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        cursor.execute(
            f"ALTER TABLE stats_event ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{end}')"
        )
    logger.info("Partition made: %s", name)
