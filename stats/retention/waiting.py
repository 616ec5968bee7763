"""Days for which events wait: to drop one would make late dead letters of them."""

from __future__ import annotations

from datetime import UTC, date, datetime

from django.db import connections
from django.db.models import Min

from gateway.conf import conf
from legacy_collector.database import CollectorRefused, reading
from legacy_collector.models import CollectedEvent
from stats.partitions import DAY_MS, day_of

MOST_EVENTS = 100_000  # in the queue; with more, it is far behind and nothing is dropped at all

_QUEUED_DAYS = r"""
SELECT DISTINCT found[1]::bigint / %s
FROM gateway_queuedbatch, regexp_matches(payload, '"idempotent_id"\s*:\s*"(\d{13})-', 'g') AS found
"""


class FarBehind(Exception):
    """Too much waits to say which days it is of, or what waits can't be asked."""


def waiting_days() -> set[date]:
    """Days of which an event waits in the queue or in the collector. Raises FarBehind, django.db.Error."""
    return _queued_days() | _collected_days()


def _queued_days() -> set[date]:
    with connections[conf.database].cursor() as cursor:
        cursor.execute("SELECT coalesce(sum(events), 0) FROM gateway_queuedbatch")
        events = cursor.fetchone()[0]
        if events > MOST_EVENTS:
            raise FarBehind(f"{events} events wait in the queue")
        cursor.execute(_QUEUED_DAYS, [DAY_MS])
        return {datetime.fromtimestamp(row[0] * DAY_MS // 1000, UTC).date() for row in cursor.fetchall()}


def _collected_days() -> set[date]:
    """Events that wait to be replayed; looked up day by day, since each has an index entry."""
    days: set[date] = set()
    try:
        with reading() as connection:
            pending = CollectedEvent.objects.using(connection.alias).filter(replay_pending=True)
            after = ""
            while first := pending.filter(idempotent_id__gte=after).aggregate(Min("idempotent_id"))[
                "idempotent_id__min"
            ]:
                day = day_of(int(first[:13]))
                days.add(day)
                after = f"{(int(first[:13]) // DAY_MS + 1) * DAY_MS:013d}"
    except CollectorRefused as error:
        raise FarBehind(f"the legacy collector can't be asked: {error}") from error
    return days
