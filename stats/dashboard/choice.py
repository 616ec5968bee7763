"""What a viewer wants to see. All of it stands in the page's address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlencode

from django.utils.translation import gettext_lazy as _

from gateway.phrase import Phrase
from stats.reports import InvalidFilter, Range
from stats.reports.filters import MAX_ROUTE

RANGES = {"1h": _("Hour"), "24h": _("24 hours"), "7d": _("7 days"), "30d": _("30 days")}
SORTS = {
    "requests": _("Busiest"),
    "p95": _("Slowest"),
    "errors": _("Most errors"),
    "error_rate": _("Highest error rate"),
}
MINUTES_UP_TO = timedelta(hours=3)
HOURS_UP_TO = timedelta(days=8)


@dataclass(frozen=True)
class Choice:
    """A range, an order of routes, a search for them, and whether the range before is shown."""

    last: str = "24h"
    start: str = ""  # with `end`, as a form's datetime-local writes it, in the viewer's zone
    end: str = ""
    sort: str = "requests"
    search: str = ""
    is_compared: bool = True
    zone: str = "UTC"
    route: str = ""  # of the page of one route

    @classmethod
    def of(cls, given: Mapping[str, str], zone: str) -> Choice:
        """What an address asks for; what it does not know is as if it were not there."""
        last, sort = given.get("last", ""), given.get("sort", "")
        start, end = given.get("start", "")[:40], given.get("end", "")[:40]
        is_custom = bool(start and end)
        return cls(
            last=last if last in RANGES and not is_custom else cls.last,
            start=start if is_custom else "",
            end=end if is_custom else "",
            sort=sort if sort in SORTS else cls.sort,
            search=given.get("search", "").strip()[:MAX_ROUTE].replace("\0", ""),
            is_compared=given.get("compare") != "0",
            zone=zone,
            route=given.get("route", "")[:MAX_ROUTE].replace("\0", ""),
        )

    @property
    def is_custom(self) -> bool:
        return bool(self.start and self.end)

    def period(self, now: datetime | None = None) -> Range:
        """The range. Raises InvalidFilter."""
        if not self.is_custom:
            return Range.last(self.last, self.zone, now)
        zone = Range.last("1h", self.zone).tzinfo
        return Range(_moment("start", self.start, zone), _moment("end", self.end, zone), self.zone)

    @staticmethod
    def step(period: Range) -> str:
        """The steps of its series."""
        if period.length <= MINUTES_UP_TO:
            return "minute"
        return "hour" if period.length <= HOURS_UP_TO else "day"

    def url(self, **changes: object) -> str:
        """The address of this choice but for the changes."""
        wanted = replace(self, **changes)  # type: ignore[arg-type]
        parts = {"route": wanted.route} if wanted.route else {}
        if wanted.is_custom:
            parts |= {"start": wanted.start, "end": wanted.end}
        elif wanted.last != Choice.last:
            parts["last"] = wanted.last
        if wanted.sort != Choice.sort:
            parts["sort"] = wanted.sort
        if wanted.search:
            parts["search"] = wanted.search
        if not wanted.is_compared:
            parts["compare"] = "0"
        return "?" + urlencode(parts)


def _moment(field: str, text: str, zone: object) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        reason = Phrase("%(value)s is no time, like 2025-11-23T12:00", value=repr(text))
        raise InvalidFilter(field, reason) from None
    return found if found.tzinfo else found.replace(tzinfo=zone)  # type: ignore[arg-type]
