"""`manage.py phase_report`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from gateway.checks import TAG
from legacy_collector.collector import CollectorRefused
from stats.phase_report import phase_report


class Command(BaseCommand):
    """Exit code 0 when it is written, 1 when a store can't be asked, 2 on a bad argument."""

    help = (
        "Writes the report of a phase of the cutover as one Markdown text of live figures: acceptance, the "
        "comparison of the two paths day by day, problems and what was done about them. Exit code: 0 it is "
        "written, 1 a store can't be asked, 2 a bad argument."
    )
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=7, help="whole days before today (default: 7)")
        parser.add_argument("--output", type=Path, help="a file (default: standard output)")

    def handle(self, *args: Any, **options: Any) -> None:
        days = options["days"]
        if not 1 <= days <= 366:
            raise CommandError(f"--days: {days} is not from 1 to 366", returncode=2)
        try:
            text = phase_report(days)
        except (Error, CollectorRefused) as error:
            raise CommandError(" ".join(str(error).split()), returncode=1) from None
        if options["output"] is None:
            self.stdout.write(text)
            return
        try:
            options["output"].write_text(text)
        except OSError as error:
            raise CommandError(f"--output: {error}", returncode=2) from None
        self.stdout.write(f"Written: {options['output']}")
