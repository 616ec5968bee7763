"""`manage.py archive_events`: days that are over as Parquet files."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from gateway.checks import TAG
from gateway.conf import conf
from stats.archive.alone import alone
from stats.archive.tables import has_partition
from stats.management.days import parse_day, stopping
from stats.management.progress import day_bar
from stats.models import TrafficDay
from stats.retention import archive_due
from stats.retention.archiving import Archiving
from stats.retention.days import database_now, to_archive

PASSES = 2  # each event is written and read back


class Command(BaseCommand):
    """Exit code 0 if all that is due is archived, 1 if something could not be, 2 on a bad argument."""

    help = (
        "Writes the events of days that are over into the archive and reads them back: all that are not "
        "archived as they are now, or the one given. Goes on where a run was killed; what is archived "
        "already is left as it is. Drops nothing. "
        "Exit code: 0 done, 1 something could not be archived (or another run is at work), 2 a bad argument."
    )
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--day", metavar="DAY", help="only this day (UTC), such as 2026-11-20")
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        with stopping(), alone(), day_bar(PASSES) as on_day:
            now = database_now()
            days = [chosen(options["day"], now)] if options["day"] else to_archive(now)
            result = archive_due(days, on_day)
        self.stdout.write(json.dumps(as_dict(result)) if options["json"] else readable(result))
        if result.failed:
            sys.exit(1)


def chosen(text: str, now: datetime) -> TrafficDay:
    """Raises CommandError that names the argument."""
    day = parse_day(text, "--day")
    if day >= now.date():
        raise CommandError(f"--day: {day} is not over", returncode=2)
    known = TrafficDay.objects.using(conf.database).filter(pk=day).first()
    if known is None or not has_partition(day):
        raise CommandError(f"--day: {day} has no events", returncode=2)
    return known


def as_dict(result: Archiving) -> dict[str, Any]:
    failed = {day.isoformat(): error for day, error in result.failed.items()}
    return {"archived": [archived.as_dict() for archived in result.archived], "failed": failed}


def readable(result: Archiving) -> str:
    lines = [
        f"{done.day}: {done.events} events, files: {done.files}, bytes: {done.bytes}"
        + ("" if done.complete else "; more arrived meanwhile, to be archived again")
        for done in result.archived
    ]
    lines += [f"{day}: not archived: {error}" for day, error in result.failed.items()]
    return "\n".join(lines or ["Nothing to archive."])
