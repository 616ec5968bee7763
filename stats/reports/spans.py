"""Which rows answer a range: rollups of whole days where they hold, else those of hours; and imported hours.

A day's rows hold while `TrafficDay.rolled_version` is its `version`. A day without a TrafficDay had no
traffic. Once the hourly rows of a day were dropped, a part of that day can't be told from the whole, and
what arrives for it afterwards is in hourly rows until `stats.daily` adds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django.db.backends.utils import CursorWrapper

from stats.reports.period import Range
from stats.reports.shapes import Coverage

DAY = timedelta(days=1)

_DAYS = """
SELECT day, rolled_version = version, hours_dropped_at IS NOT NULL
FROM stats_trafficday WHERE day >= %s AND day < %s ORDER BY day
"""

_HAS_IMPORTED = """
SELECT EXISTS (SELECT FROM stats_importedhourly WHERE hour >= %s AND hour < %s AND superseded_at IS NULL)
"""

Hours = tuple[datetime, datetime]  # the end excluded


@dataclass(frozen=True)
class Spans:
    """Days to be read from daily rows, and times to be read from hourly rows; no request is in both.

    `imported` is the time of which imported hours are added, None where there are none: then what is asked
    of the database is as if there had never been an import.
    """

    period: Range  # whole hours
    days: tuple[date, ...]
    hours: tuple[Hours, ...]
    incomplete_days: tuple[date, ...] = ()
    reaches_back_to: datetime | None = None
    imported: Hours | None = None

    @property
    def coverage(self) -> Coverage:
        return coverage(self.period, self.reaches_back_to, self.incomplete_days)


def coverage(
    period: Range, reaches_back_to: datetime | None = None, incomplete_days: tuple[date, ...] = ()
) -> Coverage:
    """The coverage of a range that was widened already, in its own zone."""
    zone = period.tzinfo
    reach = reaches_back_to.astimezone(zone) if reaches_back_to else None
    return Coverage(
        period.start.astimezone(zone), period.end.astimezone(zone), period.zone, reach, incomplete_days
    )


def split(cursor: CursorWrapper, period: Range) -> Spans:
    """The rows whose sum answers the range."""
    wide = period.outward()
    days: list[date] = []
    hours: list[Hours] = []
    incomplete: list[date] = []
    for day, is_rolled_up, has_no_hours in _known_days(cursor, wide):
        first, end = max(_midnight(day), wide.start), min(_midnight(day + DAY), wide.end)
        is_whole = end - first == DAY
        if has_no_hours and not is_whole:
            incomplete.append(day)
            continue
        if is_whole and (is_rolled_up or has_no_hours):
            days.append(day)
        if not is_rolled_up or not is_whole:
            _append(hours, first, end)
    imported = _imported(cursor, *_without(wide, incomplete))
    return Spans(wide, tuple(days), tuple(hours), tuple(incomplete), imported=imported)


def hourly(cursor: CursorWrapper, period: Range) -> Spans:
    """Hourly rows only, as far back as they are kept without a gap."""
    wide = period.outward()
    dropped = [day for day, _, has_no_hours in _known_days(cursor, wide) if has_no_hours]
    if not dropped:
        return Spans(wide, (), ((wide.start, wide.end),), imported=_imported(cursor, wide.start, wide.end))
    reach = min(_midnight(dropped[-1] + DAY), wide.end)
    hours = ((reach, wide.end),) if reach < wide.end else ()
    return Spans(wide, (), hours, reaches_back_to=reach, imported=_imported(cursor, reach, wide.end))


def _known_days(cursor: CursorWrapper, period: Range) -> list[tuple[date, bool, bool]]:
    last = (period.end - timedelta(microseconds=1)).astimezone(UTC).date()
    cursor.execute(_DAYS, [period.start.astimezone(UTC).date(), last + DAY])
    return cursor.fetchall()


def _without(period: Range, incomplete: Sequence[date]) -> Hours:
    """The range without the days that it cuts: only its first and its last one can be."""
    start, end = period.start, period.end
    for day in incomplete:
        if _midnight(day) <= start:
            start = _midnight(day + DAY)
        else:
            end = _midnight(day)
    return start, end


def _imported(cursor: CursorWrapper, start: datetime, end: datetime) -> Hours | None:
    """The time, if anything was imported for it."""
    if start >= end:
        return None
    cursor.execute(_HAS_IMPORTED, [start, end])
    return (start, end) if cursor.fetchone()[0] else None


def _append(hours: list[Hours], first: datetime, end: datetime) -> None:
    """Neighbours become one."""
    if hours and hours[-1][1] == first:
        hours[-1] = (hours[-1][0], end)
    else:
        hours.append((first, end))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
