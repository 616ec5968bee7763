"""Days that are over into the archive."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date

from gateway.conf import conf
from stats.archive import Archived, ArchiveError, archive_day, shelf
from stats.archive.verifying import Progress
from stats.models import ArchivedFile, TrafficDay

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Archiving:
    """What became of some days."""

    archived: list[Archived] = field(default_factory=list)
    failed: dict[date, str] = field(default_factory=dict)


def archive_due(
    days: Iterable[TrafficDay], on_day: Callable[[TrafficDay], Progress] = lambda day: lambda events: None
) -> Archiving:
    """Archives these days; one that fails does not keep the others from it. Raises django.db.Error.

    `on_day` is told of each day and gives what is told of its events.
    """
    result = Archiving()
    if days := list(days):
        try:
            shelf.sweep()
        except ArchiveError as error:
            result.failed = {day.day: str(error) for day in days}
            return result
    for day in days:
        try:
            result.archived.append(archive_day(day, on_day(day)))
        except ArchiveError as error:
            logger.error("Day not archived: %s | %s", day, error)
            result.failed[day.day] = str(error)
    return result


def distrust(day: date) -> None:
    """Has the day archived again by the next run. Raises django.db.Error."""
    ArchivedFile.objects.using(conf.database).filter(day=day).update(verified_at=None)
