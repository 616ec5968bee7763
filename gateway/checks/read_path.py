"""The check of `READ_FROM` and its companions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, register

from gateway.checks.reading import TAG, error
from gateway.conf import conf

NAMES = {
    "percent": "READ_FROM",
    "queue_readers": "READ_FROM_QUEUE",
    "legacy_readers": "READ_FROM_LEGACY",
    "compared_percent": "READ_COMPARED",
}


@register(TAG)
def check_read_path(**kwargs: Any) -> list[CheckMessage]:
    return list(_wrong())


def _wrong() -> Iterator[CheckMessage]:
    try:
        conf.read_from  # noqa: B018 (an unknown share or reader is refused here)
    except ValueError as wrong:
        argument, _, text = str(wrong).partition(":")
        yield error(31, f"{NAMES[argument]}:{text}")
