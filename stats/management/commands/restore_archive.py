"""`manage.py restore_archive`: a dropped day's events back into the database."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gateway.checks import TAG
from gateway.conf import conf
from stats.archive import restore_day
from stats.archive.alone import alone
from stats.management.days import parse_day, stopping
from stats.management.progress import day_bar
from stats.models import TrafficDay

PASSES = 2  # each event is loaded and compared


class Command(BaseCommand):
    """Exit code 0 when done, 1 when it could not be, 2 on a bad argument."""

    help = (
        "Brings the events of a dropped day back from the archive, without counting them again. Late "
        "events of the day can be redriven then. It is dropped again when it is old enough, counted "
        "from now. Exit code: 0 done, 1 not restored, and why, 2 a bad argument."
    )
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("day", metavar="DAY", help="the day (UTC), such as 2026-11-20")
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        day = parse_day(options["day"], "DAY")
        with stopping(), alone(), day_bar(PASSES) as on_day:
            known = TrafficDay.objects.using(conf.database).filter(pk=day).first()
            progress = on_day(known or TrafficDay(day=day))
            restored = restore_day(day, progress)
        if options["json"]:
            self.stdout.write(json.dumps(restored.as_dict()))
        else:
            self.stdout.write(f"{day}: {restored.events} events restored, files: {restored.files}")
