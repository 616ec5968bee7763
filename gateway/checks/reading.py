"""What the checks share: reading settings that may be anything, and saying what is wrong with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

from django.core.checks import CheckMessage, Error, Warning
from django.db import connections

TAG = "traffic"
T = TypeVar("T")


def error(number: int, text: str, hint: str | None = None) -> CheckMessage:
    return Error(text, hint=hint, id=f"gateway.E{number:03}")


def warning(number: int, text: str, hint: str | None = None) -> CheckMessage:
    return Warning(text, hint=hint, id=f"gateway.W{number:03}")


def read(read: Callable[[], T]) -> T | None:
    """What `read` gives; None where a setting has a wrong type, of which its own check speaks."""
    try:
        return read()
    except (TypeError, ValueError, AttributeError, OverflowError):
        return None


def is_number(value: Any, kind: type = float) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if kind is int else (int, float)):
        return False
    return isinstance(value, int) or math.isfinite(value)


def is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset))


def database(alias: str) -> dict[str, Any] | None:
    """The entry of DATABASES, if its engine can be loaded. Connects to nothing."""
    try:
        return dict(connections[alias].settings_dict)
    except Exception:  # noqa: BLE001 - a wrong alias or engine fails in many ways
        return None
