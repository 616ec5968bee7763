"""Query parameters of several endpoints. The document has their forms; what they mean is checked here."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from django.http import QueryDict
from ninja import Schema
from pydantic import Field, ValidationInfo, model_validator
from pydantic.json_schema import SkipJsonSchema

from gateway.events import MAX_METHOD, MAX_ROUTE
from stats.api.problems import Refused
from stats.reports import Range
from stats.reports.filters import MAX_LIMIT

DEFAULT_LAST = "24h"
DEFAULT_LIMIT = 50

Absent = SkipJsonSchema[None]
Format = Annotated[Literal["json", "csv"], Field(description="`csv` answers with a table to download.")]
Zone = Annotated[str, Field(max_length=60, description="Time zone of days and of the answer's times.")]
Limit = Annotated[int, Field(ge=1, le=MAX_LIMIT)]
Method = Annotated[str, Field(min_length=1, max_length=MAX_METHOD, examples=["GET"])]
Route = Annotated[str, Field(max_length=MAX_ROUTE, examples=["/api/items/{id}"])]
StatusClass = Literal["1xx", "2xx", "3xx", "4xx", "5xx"]


class Parameters(Schema):
    """Knows no parameters but its own."""

    @model_validator(mode="before")
    @classmethod
    def _only_known(cls, data: Any, info: ValidationInfo) -> Any:
        if info.context:
            refuse_others(info.context["request"].GET, cls.model_fields)
        return data


def refuse_others(given: QueryDict, known: Collection[str]) -> None:
    """Raises Refused for what is unknown or given twice: a misspelt filter would show too much."""
    for name in given:
        if name not in known:
            raise Refused(name[:60], f"is no parameter here; there are: {', '.join(known) or 'none'}")
        if len(given.getlist(name)) > 1:
            raise Refused(name, "is given more than once")


class Period(Parameters):
    """A range of time: `last`, or `start` and `end`."""

    last: (
        Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}[mhd]$", description=f"Default {DEFAULT_LAST}.")]
        | Absent
    ) = None
    start: (
        Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="With its offset.")]
        | Absent
    ) = None
    end: (
        Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="Excluded; default now.")]
        | Absent
    ) = None
    zone: Zone = "UTC"

    def range(self) -> Range:
        """Raises Refused and InvalidFilter for what is no range."""
        if self.last is not None and (self.start or self.end) is not None:
            raise Refused("last", "is given together with start or end, which say the same differently")
        if self.start is None and self.end is not None:
            raise Refused("start", "is missing where an end is given")
        if self.start is None:
            return Range.last(self.last or DEFAULT_LAST, zone=self.zone)
        end = datetime.now(UTC) if self.end is None else _moment("end", self.end)
        return Range(_moment("start", self.start), end, zone=self.zone)


def _moment(field: str, text: str) -> datetime:
    """An ISO 8601 time with its offset. Raises Refused."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        hint = " (a + is written %2B in a URL)" if " " in text else ""
        raise Refused(field, f"{text[:40]!r} is no time like 2025-11-23T12:00:00Z{hint}") from None
    if moment.tzinfo is None:
        raise Refused(field, "needs an offset from UTC, such as Z or +01:00")
    return moment


def zone_of(name: str) -> ZoneInfo:
    """Raises Refused."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        raise Refused("zone", f"{name!r:.60} is no time zone, like Europe/Berlin") from None
