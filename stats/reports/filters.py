"""The words a reader may filter and sort by; each is refused by name if it is none of them."""

from __future__ import annotations

from collections.abc import Collection

from gateway.events import MAX_METHOD, MAX_PATH, MAX_ROUTE
from gateway.idempotency import is_valid_idempotent_id
from gateway.phrase import Phrase
from stats.models import TopValues
from stats.reports.errors import InvalidFilter

SORTS = ("requests", "errors", "error_rate", "p95", "clients")
STEPS = ("minute", "hour", "day")
STATUS_CLASSES = ("1xx", "2xx", "3xx", "4xx", "5xx")
KINDS = tuple(TopValues.Kind.values)
MAX_LIMIT = 500  # rows of a page
MAX_OFFSET = 100_000


def one_of(field: str, value: str, choices: Collection[str]) -> str:
    """`value`. Raises InvalidFilter unless it is one of `choices`."""
    if value not in choices:
        raise InvalidFilter(field, f"{value!r:.60} is none of {', '.join(choices)}")
    return value


def status_class(value: str | None) -> int | None:
    """The first digit of `5xx`, or None. Raises InvalidFilter."""
    return None if value is None else int(one_of("status_class", value, STATUS_CLASSES)[0])


def within(field: str, value: int, least: int, most: int) -> int:
    """`value`. Raises InvalidFilter unless it lies between both, inclusive."""
    if not least <= value <= most:
        raise InvalidFilter(field, f"{value} does not lie between {least} and {most}")
    return value


def limit(value: int) -> int:
    return within("limit", value, 1, MAX_LIMIT)


def offset(value: int) -> int:
    return within("offset", value, 0, MAX_OFFSET)


def text(field: str, value: str, longest: int) -> str:
    """`value`. Raises InvalidFilter for what no stored text can hold."""
    if len(value) > longest:
        raise InvalidFilter(field, f"{len(value)} characters where {longest} are stored at most")
    if "\x00" in value or _is_unstorable(value):
        raise InvalidFilter(field, Phrase("holds a character that no stored text has"))
    return value


def route(value: str) -> str:
    return text("route", value, MAX_ROUTE)


def path_prefix(value: str) -> str:
    return text("path_prefix", value, MAX_PATH)


def method(value: str | None) -> str | None:
    return None if value is None else text("method", value, MAX_METHOD)


def client(value: str | None) -> str | None:
    """A client's hash: 16 hex digits. Raises InvalidFilter."""
    if value is not None and (len(value) != 16 or not set(value) <= set("0123456789abcdef")):
        raise InvalidFilter("client", "is no hash of 16 hex digits")
    return value


def cursor(value: str | None) -> str | None:
    """An event's id. Raises InvalidFilter."""
    if value is not None and not is_valid_idempotent_id(value):
        raise InvalidFilter("cursor", f"{value!r:.40} is no cursor of a page before")
    return value


def _is_unstorable(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return True
    return False
