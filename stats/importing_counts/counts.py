"""One count of the past: what it must be, and what is wrong with it if it is not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gateway.events import MAX_ROUTE, storable
from gateway.routes import NOT_FOUND
from stats.reports.period import FIRST_YEAR, LAST_YEAR
from stats.route_cap import OTHER

FIELDS = ("route", "hour", "requests", "errors")  # as `legacy_collector.held.counted` gives them
MAX_REQUESTS = 2**40  # of a route in an hour; the sum of some million such rows still fits into a bigint
HOUR_SECONDS = 3_600

_DIGITS = re.compile(r"[0-9]{1,18}")  # int() also takes 1_000 and the digits of other scripts
_DATE_LENGTH = 10  # 2025-11-23; what is no longer says no hour


class BadCount(ValueError):
    """A row that is no count. The message begins with the field."""


class Count(NamedTuple):
    """A route's requests in one hour."""

    hour: int  # since the epoch
    route: str
    requests: int
    errors: int


def count_of(fields: Mapping[str, Any], running: int) -> Count:
    """The count that these fields say; others are ignored. `running` is the hour that is not over yet.

    Raises BadCount.
    """
    for name in FIELDS:
        if fields.get(name) is None:
            raise BadCount(f"{name}: missing")
    requests, errors = (_number(name, fields[name]) for name in ("requests", "errors"))
    if errors > requests:
        raise BadCount(f"errors: {errors} of {requests} requests")
    hour = _hour(fields["hour"])
    if hour >= running:
        raise BadCount(f"hour: {fields['hour']} is not over yet")
    return Count(hour, _route(fields["route"]), requests, errors)


def hour_of(moment: datetime) -> int:
    """The hour (UTC) that an aware moment lies in, counted since the epoch."""
    return int(moment.timestamp() // HOUR_SECONDS)


def _number(name: str, value: object) -> int:
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadCount(f"{name}: {value!r:.40} is no whole number")
    if not 0 <= value <= MAX_REQUESTS:
        raise BadCount(f"{name}: {value} does not lie between 0 and {MAX_REQUESTS}")
    return value


def _hour(value: object) -> int:
    moment = value if isinstance(value, datetime) else _moment(value)
    if not FIRST_YEAR <= moment.year < LAST_YEAR:
        raise BadCount(f"hour: {moment.isoformat()} lies outside {FIRST_YEAR} to {LAST_YEAR}")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment.timestamp() % HOUR_SECONDS:
        raise BadCount(f"hour: {moment.isoformat()} is not the beginning of an hour (UTC)")
    return hour_of(moment)


def _moment(value: object) -> datetime:
    text = value.strip() if isinstance(value, str) else ""
    try:
        if len(text) > _DATE_LENGTH:
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise BadCount(f"hour: {value!r:.40} is no time like 2025-11-23T12:00Z")


def _route(value: object) -> str:
    if not isinstance(value, str):
        raise BadCount(f"route: {value!r:.40} is no text")
    if not value.startswith("/") and value not in (NOT_FOUND, OTHER):
        raise BadCount(f"route: {value!r:.60} does not begin with a slash, nor is it {NOT_FOUND} or {OTHER}")
    if len(value) > MAX_ROUTE:
        raise BadCount(f"route: {len(value)} characters, more than {MAX_ROUTE}")
    if storable(value, MAX_ROUTE) != value:
        raise BadCount(f"route: {value!r:.60} holds a NUL, or what is no UTF-8")
    return value
