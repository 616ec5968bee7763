"""Which days are due.

A day's age counts from its end or from its last arrival, whichever is later: an import of old logs is not
swept away the next night.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from django.db import connections

from gateway.conf import conf
from stats.archive import is_archived
from stats.archive.tables import partitioned_days
from stats.models import TrafficDay

QUIET = timedelta(hours=1)  # without an arrival, before a day that is over is archived

_DAYS_WITH_HOURS = """
SELECT (hour AT TIME ZONE 'UTC')::date FROM stats_pathstatshourly WHERE hour < %s UNION
SELECT (hour AT TIME ZONE 'UTC')::date FROM stats_totalshourly WHERE hour < %s UNION
SELECT (hour AT TIME ZONE 'UTC')::date FROM stats_topvalueshourly WHERE hour < %s
"""


def database_now() -> datetime:
    """The database's clock, by which arrivals are noted. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute("SELECT now()")
        now: datetime = cursor.fetchone()[0]
        return now


def end_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC) + timedelta(days=1)


def age_days(day: TrafficDay, now: datetime) -> float:
    return (now - max(end_of(day.day), day.last_arrival_at)) / timedelta(days=1)


def to_drop(now: datetime) -> list[TrafficDay]:
    """Days whose events are old enough, oldest first. Raises django.db.Error."""
    return [day for day in _open_days() if age_days(day, now) >= max(0.0, conf.event_days)]


def to_archive(now: datetime) -> list[TrafficDay]:
    """Days that are to be dropped, and those that are over, quiet and not archived as they are now.

    The former in any case: a file that has vanished since is noticed and written again.
    """
    if not conf.archive_events:
        return []
    partitioned = set(partitioned_days())
    due = {day.day for day in to_drop(now)}
    return [
        day
        for day in _open_days()
        if day.day in partitioned and (day.day in due or (_is_quiet(day, now) and not is_archived(day)))
    ]


def without_events(now: datetime) -> list[date]:
    """Old days that have a partition, but for which nothing was ever stored, or nothing since the seal."""
    cutoff = now - timedelta(days=conf.event_days)
    open_days = {day.day for day in _open_days()}
    return [day for day in partitioned_days() if day not in open_days and end_of(day) <= cutoff]


def to_lose_hours(now: datetime) -> list[TrafficDay]:
    """Dropped days that still have hourly rows and are old enough, oldest first. Raises django.db.Error."""
    cutoff = now - timedelta(days=conf.hourly_days)
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_DAYS_WITH_HOURS, [cutoff] * 3)
        days = [row[0] for row in cursor.fetchall()]
    known = TrafficDay.objects.using(conf.database).filter(day__in=days, sealed_at__isnull=False)
    return [day for day in known.order_by("day") if age_days(day, now) >= conf.hourly_days]


def _open_days() -> list[TrafficDay]:
    known = TrafficDay.objects.using(conf.database).filter(sealed_at__isnull=True)
    return list(known.order_by("day"))


def _is_quiet(day: TrafficDay, now: datetime) -> bool:
    return now - max(end_of(day.day), day.last_arrival_at) >= QUIET
