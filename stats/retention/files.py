"""The archive's own retention: files of days that were dropped long ago."""

from __future__ import annotations

import logging
from datetime import datetime

from gateway.conf import conf
from stats.archive import shelf
from stats.models import ArchivedFile, TrafficDay
from stats.retention.days import age_days

logger = logging.getLogger(__name__)


def expired(now: datetime) -> list[ArchivedFile]:
    """Only of sealed days: what is still in the table would be archived again. Raises django.db.Error."""
    if not conf.archive_days:
        return []
    files = ArchivedFile.objects.using(conf.database)
    days = files.order_by().values_list("day", flat=True).distinct()
    known = TrafficDay.objects.using(conf.database).filter(day__in=list(days), sealed_at__isnull=False)
    old = [day.day for day in known if age_days(day, now) >= conf.archive_days]
    return list(files.filter(day__in=old).order_by("day", "part"))


def remove_expired(now: datetime) -> int:
    """Removes them; how many. Raises ShelfUnavailable, django.db.Error."""
    files = expired(now)
    for archived in files:
        shelf.remove(archived.name)  # before its row, so that none is forgotten
        archived.delete(using=conf.database)
        logger.info("Archived file removed: %s", archived.name)
    return len(files)
