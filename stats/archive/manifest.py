"""The manifest: which files a day has, and whether they hold all of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from gateway.conf import conf
from stats.archive.tables import last_stored_id
from stats.models import ArchivedFile, TrafficDay


def files_of(day: date) -> list[ArchivedFile]:
    """In the order of their parts. Raises django.db.Error."""
    return list(ArchivedFile.objects.using(conf.database).filter(day=day).order_by("part"))


def file_name(day: date, part: int) -> str:
    return f"events/{day:%Y/%m/%d}/part-{part:04d}.parquet"


def finished(files: Sequence[ArchivedFile], version: int) -> list[ArchivedFile]:
    """The parts, from the first on without a gap, that were written at this version and verified."""
    done: list[ArchivedFile] = []
    for number, archived in enumerate(files, start=1):
        if archived.part != number or archived.day_version != version or archived.verified_at is None:
            break
        done.append(archived)
    return done


def is_archived(day: TrafficDay) -> bool:
    """Whether the files hold all of a day that has a partition, as it is now. Raises django.db.Error.

    Looks at the manifest only; `stats.archive.verify_day` looks at the files.
    """
    files = files_of(day.day)
    if len(finished(files, day.version)) < len(files):
        return False
    return (files[-1].last_id if files else None) == last_stored_id(day.day)
