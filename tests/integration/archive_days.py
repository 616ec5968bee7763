"""What the tests of the archive and the retention share: days with events, and days grown old."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from gateway.events import TrafficEvent
from stats.consumer import Consumer
from stats.models import ArchivedFile, Event, PathStatsHourly, TrafficDay
from stats.retention import Summary, apply

DAY = date(2025, 11, 23)
FIRST_MS = int(datetime(2025, 11, 23, tzinfo=UTC).timestamp() * 1000)


def archive_in(folder: Any, **options: Any) -> dict[str, Any]:
    """STORAGES with the archive in a folder, as `ARCHIVE_URL=file://…` makes it."""
    from django.conf import settings

    from gateway.archive_url import archive_storage

    return {**settings.STORAGES, "archive": archive_storage(f"file://{folder}", folder)}


def count_events(send: Any, make_event: Any, number: int, **fields: Any) -> list[TrafficEvent]:
    """Events of DAY (unless they say another time), sent and counted."""
    first = fields.pop("timestamp", FIRST_MS)
    events = [make_event(timestamp=first + index, **fields) for index in range(number)]
    for start in range(0, number, 1000):
        send(*events[start : start + 1000])
    Consumer().drain()
    return events


def grow_old(day: date = DAY, days: float = 4) -> TrafficDay:
    """The day's last arrival was so many days ago."""
    TrafficDay.objects.filter(pk=day).update(last_arrival_at=timezone.now() - timedelta(days=days))
    return TrafficDay.objects.get(pk=day)


def the_day(day: date = DAY) -> TrafficDay:
    return TrafficDay.objects.get(pk=day)


def rows_of_the_table() -> list[dict[str, Any]]:
    return list(Event.objects.order_by("idempotent_id").values())


def hourly_requests() -> int:
    return sum(PathStatsHourly.objects.values_list("requests", flat=True))


def tables_like(pattern: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname LIKE %s", [pattern])
        return [row[0] for row in cursor.fetchall()]


def drop_old(day: date = DAY) -> Summary:
    """Archives and drops a day; nothing else is in the way."""
    grow_old(day)
    done = apply()
    assert (done.dropped, done.problems) == ([day], []), done
    return done


def file_names(day: date = DAY) -> list[str]:
    return list(ArchivedFile.objects.filter(day=day).order_by("part").values_list("name", flat=True))


def command(name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    """A command's exit code and its JSON."""
    output, code = StringIO(), 0
    try:
        call_command(name, *arguments, "--json", stdout=output, stderr=StringIO())
    except SystemExit as ended:
        code = int(ended.code or 0)
    return code, json.loads(output.getvalue() or "{}")
