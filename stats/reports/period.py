"""The range of time that a report is about."""

from __future__ import annotations

import re
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from gateway.phrase import Phrase
from stats.reports.errors import InvalidFilter

HOUR = timedelta(hours=1)
LONGEST = timedelta(days=366 * 20)
FIRST_YEAR, LAST_YEAR = 2001, 2286  # ids are 13 digits of milliseconds

_LAST = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS = {"m": timedelta(minutes=1), "h": HOUR, "d": timedelta(days=1)}


@dataclass(frozen=True)
class Range:
    """From `start` to `end`, the end excluded: both aware, kept in UTC. `zone` is that of days and answers.

    Raises InvalidFilter (a ValueError, with `field`) for what is no range or no zone.
    """

    start: datetime
    end: datetime
    zone: str = "UTC"

    def __post_init__(self) -> None:
        self.tzinfo  # noqa: B018 (an unknown zone is refused here)
        for field, moment in (("start", self.start), ("end", self.end)):
            if moment.tzinfo is None:
                raise InvalidFilter(field, "needs an offset from UTC, such as +00:00 or Z")
            if not FIRST_YEAR <= moment.year < LAST_YEAR:
                raise InvalidFilter(field, _outside(moment))
            # Python takes the difference of two times of one zone by their clocks, changes of them forgotten.
            object.__setattr__(self, field, moment.astimezone(UTC))
        if self.start >= self.end:
            end = self.end.isoformat()
            raise InvalidFilter("end", Phrase("%(time)s does not lie after the start", time=end))
        if self.length > LONGEST:
            raise InvalidFilter("end", Phrase("more than %(days)s days after the start", days=LONGEST.days))

    @classmethod
    def last(cls, text: str, zone: str = "UTC", now: datetime | None = None) -> Range:
        """The time up to now: `24h`, `7d`, `90m`.

        So many minutes or hours, the last of which still runs; or so many days of the zone, the last of
        which is today. Days are whole, since their sums are kept for ever and their hours are not. Raises
        InvalidFilter.
        """
        found = _LAST.fullmatch(text)
        if found is None:
            raise InvalidFilter(
                "last", f"{text!r:.40} is no number of m(inutes), h(ours) or d(ays), like 24h"
            )
        unit = _UNITS[found[2]]
        length = int(found[1]) * unit
        moment = now or datetime.now(UTC)
        end = _ceil(moment + timedelta(microseconds=1), min(unit, HOUR))
        if length > LONGEST or (end - length).year <= FIRST_YEAR:
            raise InvalidFilter("last", f"{text} is too long")
        running = cls(end - length, end, zone)
        return running if found[2] != "d" else running._moved(running._first_midnight(moment, length), end)

    def _first_midnight(self, now: datetime, length: timedelta) -> datetime:
        """Of the days that end with today; moved back to the whole hour of UTC."""
        day = now.astimezone(self.tzinfo).date() - length + timedelta(days=1)
        return floor(datetime.combine(day, time(), self.tzinfo).astimezone(UTC))

    @cached_property
    def tzinfo(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.zone)
        except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
            raise InvalidFilter("zone", f"{self.zone!r:.60} is no time zone, like Europe/Berlin") from None

    @property
    def length(self) -> timedelta:
        return self.end - self.start

    def previous(self) -> Range:
        """The range of the same length that ends where this one starts."""
        return self._moved(self.start - self.length, self.start)

    def outward(self, step: timedelta = HOUR) -> Range:
        """The same range, widened to whole hours (or minutes) of UTC."""
        return self._moved(floor(self.start, step), _ceil(self.end, step))

    def _moved(self, start: datetime, end: datetime) -> Range:
        """What follows from a range that was accepted is one, even if nobody may ask for it."""
        moved = copy(self)
        object.__setattr__(moved, "start", start)
        object.__setattr__(moved, "end", end)
        return moved


def _outside(moment: datetime) -> Phrase:
    return Phrase(
        "%(time)s lies outside %(first)s to %(last)s",
        time=moment.isoformat(),
        first=FIRST_YEAR,
        last=LAST_YEAR,
    )


def floor(moment: datetime, step: timedelta = HOUR) -> datetime:
    """The start of the UTC hour (or minute) that `moment` lies in."""
    seconds = int(step.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, UTC)


def _ceil(moment: datetime, step: timedelta) -> datetime:
    floored = floor(moment, step)
    return floored if floored == moment else floored + step
