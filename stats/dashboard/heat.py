"""When requests come: hours of the day by days of the week, in the viewer's zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from stats.reports import Range
from stats.reports.shapes import TimeSeries

SHOWN_FROM = timedelta(days=6)  # the last seven days are today and the six before
LONGEST = timedelta(days=60)  # that hours are asked for
LEVELS = 9
WEEKDAYS = (
    pgettext_lazy("weekday", "Mon"),
    pgettext_lazy("weekday", "Tue"),
    pgettext_lazy("weekday", "Wed"),
    pgettext_lazy("weekday", "Thu"),
    pgettext_lazy("weekday", "Fri"),
    pgettext_lazy("weekday", "Sat"),
    pgettext_lazy("weekday", "Sun"),
)


@dataclass(frozen=True)
class Cell:
    """One hour of a weekday: requests of an average week, and from 0 to LEVELS how many that is."""

    hour: int
    requests: float
    level: int


@dataclass(frozen=True)
class Row:
    weekday: Promise
    cells: tuple[Cell, ...]


def is_shown(period: Range) -> bool:
    return SHOWN_FROM <= period.length <= LONGEST


def heat(series: TimeSeries) -> list[Row]:
    """Of hourly steps."""
    sums = [[0] * 24 for _ in WEEKDAYS]
    weeks = [[0] * 24 for _ in WEEKDAYS]
    for bucket in series.buckets:
        weekday, hour = bucket.start.weekday(), bucket.start.hour
        sums[weekday][hour] += bucket.requests
        weeks[weekday][hour] += 1
    averages = [
        [total / max(1, count) for total, count in zip(*both, strict=True)]
        for both in zip(sums, weeks, strict=True)
    ]
    most = max(map(max, averages))
    return [
        Row(
            name, tuple(Cell(hour, value, _level(value, most)) for hour, value in enumerate(averages[number]))
        )
        for number, name in enumerate(WEEKDAYS)
    ]


def _level(value: float, most: float) -> int:
    """0 for none at all, else at least 1."""
    return 0 if not value else max(1, round(LEVELS * value / most))
