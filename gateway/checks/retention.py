"""Checks of what is kept for how long, and of the archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, register
from django.core.files.storage import storages

from gateway.checks.reading import TAG, error, is_number, read
from gateway.conf import conf

MOST_DAYS = 36_500
DAYS = (
    *("EVENT_RETENTION_DAYS", "HOURLY_RETENTION_DAYS", "ARCHIVE_RETENTION_DAYS", "TASK_RETENTION_DAYS"),
    *("DEAD_LETTER_RETENTION_DAYS", "DEAD_LETTER_UNSETTLED_DAYS"),
)
MOST_PART_EVENTS = 10_000_000


@register(TAG)
def check_retention(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E040, E041."""
    problems = [error(40, text) for text in _bad_numbers()]
    return problems or [error(41, text) for text in _too_short()]


def _bad_numbers() -> Iterator[str]:
    for name in DAYS:
        days = getattr(settings, name, 1)
        if not (is_number(days) and 0 <= days <= MOST_DAYS):
            yield f"{name}: {days!r} is not a number of days from 0 to {MOST_DAYS}"
    events = getattr(settings, "ARCHIVE_PART_EVENTS", 1)
    if not (is_number(events, int) and 1 <= events <= MOST_PART_EVENTS):
        yield f"ARCHIVE_PART_EVENTS: {events!r} is not a whole number from 1 to {MOST_PART_EVENTS}"


def _too_short() -> Iterator[str]:
    """Hours and archive hold what was dropped, so they must outlive it."""
    if conf.hourly_days < conf.event_days:
        yield f"HOURLY_RETENTION_DAYS: {conf.hourly_days:g} is less than EVENT_RETENTION_DAYS"
    if 0 < conf.archive_days < conf.event_days:
        yield f"ARCHIVE_RETENTION_DAYS: {conf.archive_days:g} is less than EVENT_RETENTION_DAYS"


@register(TAG)
def check_archive(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E042. Reaches for nothing: whether the storage answers shows when it is used."""
    if not read(lambda: conf.archive_events) or not apps.is_installed("stats"):
        return []
    if "archive" not in (read(lambda: storages.backends) or {}):
        return []  # the folder below VAR_DIR then
    try:
        storages["archive"]
    except Exception as failure:  # noqa: BLE001 - another package's storage may fail in any way
        text = f"STORAGES: 'archive' can't be used: {failure}"
        return [error(42, text, "S3 takes the packages django-storages and boto3.")]
    return []
