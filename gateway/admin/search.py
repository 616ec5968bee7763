"""What a person may type into the admin's search box, as conditions that an index can answer."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext

_ID_PREFIX = re.compile(r"[0-9]{13}-[0-9a-f]{0,8}|[0-9]{1,13}")
_TIME = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[T ](?P<hour>[0-9]{2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?)?)?Z?(?=\s|$)"
)
_FIELD = re.compile(r"([a-z]+):(\S+)")
_DIGITS = 13

HOUR = 3_600_000  # ms


class SearchError(ValueError):
    """What was typed can't be searched for. The message is for the person who typed it."""


@dataclass(frozen=True)
class Period:
    """Milliseconds since the epoch, the end excluded."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start

    def on_ids(self, column: str) -> Q:
        """Ids in this period. All bounds are digits, so they hold in any collation."""
        condition = Q(**{f"{column}__gte": f"{self.start:013d}"})
        if self.end < 10**_DIGITS:
            condition &= Q(**{f"{column}__lt": f"{self.end:013d}"})
        return condition

    def on_hours(self, column: str) -> Q:
        """Hours that lie in this period, or that this period lies in."""
        first = _moment(self.start // HOUR * HOUR)
        return Q(**{f"{column}__gte": first, f"{column}__lt": _moment(self.end)})

    def on_days(self, column: str) -> Q:
        """Days that lie in this period, or that this period lies in."""
        first, last = _moment(self.start), _moment(self.end - 1)
        return Q(**{f"{column}__gte": first.date(), f"{column}__lte": last.date()})


@dataclass(frozen=True)
class Query:
    """What was typed, taken apart. What was not given is empty."""

    id_prefix: str = ""
    period: Period | None = None
    fields: dict[str, str] = field(default_factory=dict)
    text: str = ""

    def on_ids(self, column: str) -> Q:
        """The condition on an id column; an empty one if neither id nor time was given."""
        if len(self.id_prefix) == _DIGITS + 9:
            return Q(**{column: self.id_prefix})
        condition = self.period.on_ids(column) if self.period else Q()
        if len(self.id_prefix) > _DIGITS:
            condition &= Q(**{f"{column}__startswith": self.id_prefix})
        return condition


def parse(term: str, fields: Collection[str] = ()) -> Query:
    """`term` as an id or its beginning, or as a UTC time, `field:value` pairs and a text, each optional.

    Raises SearchError for a time that does not exist.
    """
    term = term.strip()
    if _ID_PREFIX.fullmatch(term):
        return Query(id_prefix=term, period=_period_of_digits(term[:_DIGITS]))
    period, rest = _leading_time(term)
    found: dict[str, str] = {}
    words = []
    for word in rest.split():
        match = _FIELD.fullmatch(word)
        if match and match[1] in fields:
            found[match[1]] = match[2]
        else:
            words.append(word)
    return Query(period=period, fields=found, text=" ".join(words))


def _period_of_digits(digits: str) -> Period:
    scale = 10 ** (_DIGITS - len(digits))
    return Period(int(digits) * scale, (int(digits) + 1) * scale)


def _leading_time(term: str) -> tuple[Period | None, str]:
    match = _TIME.match(term)
    if match is None:
        return None, term
    hour, minute, second = match["hour"], match["minute"], match["second"]
    length = timedelta(seconds=1) if second else timedelta(minutes=1) if minute else timedelta(hours=1)
    if not hour:
        length = timedelta(days=1)
    try:
        start = datetime.fromisoformat(
            f"{match['day']}T{hour or '00'}:{minute or '00'}:{second or '00'}+00:00"
        )
        end = start + length
    except (ValueError, OverflowError):
        raise SearchError(gettext("%(term)s is no date or time.") % {"term": match[0]}) from None
    if start.year < 1970:
        raise SearchError(gettext("%(term)s lies before 1970.") % {"term": match[0]})
    return Period(_milliseconds(start), _milliseconds(end)), term[match.end() :].strip()


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1000


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
