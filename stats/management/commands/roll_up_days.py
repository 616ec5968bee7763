"""`manage.py roll_up_days`: hours of days that are over become daily statistics."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from stats import daily


class Command(BaseCommand):
    """Exit code 0 if every day is merged, 1 if not, 2 on a bad argument."""

    help = (
        "Merges the hourly statistics of each day that is over and has changed into its daily rows. Counting "
        "goes on meanwhile. Exit code: 0 every day is merged, 1 not so, 2 a bad argument."
    )
    # The cluster that starts it every ten minutes was checked; mostly that would be half of its time.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--day", help="only this day (YYYY-MM-DD), also if it has not changed")
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            days = [parse_day(options["day"])] if options["day"] else daily.due(datetime.now(UTC).date())
            merged = [found for day in days if (found := daily.roll_up(day))]
        except daily.UnknownDay as error:
            raise CommandError(f"--day: {error}", returncode=2) from None
        except Error as error:
            raise CommandError(f"database: {' '.join(str(error).split())}") from None
        if options["json"]:
            rows = [{"day": each.day.isoformat(), "routes": each.routes} for each in merged]
            self.stdout.write(json.dumps({"merged": rows, "skipped": len(days) - len(merged)}))
        else:
            for each in merged:
                self.stdout.write(f"{each.day}: {each.routes} routes")
            self.stdout.write(f"merged {len(merged)} of {len(days)} days")
        if len(merged) < len(days):
            sys.exit(1)


def parse_day(text: str) -> date:
    """Raises CommandError that names the argument."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"--day: {text!r} is no date (YYYY-MM-DD)", returncode=2) from None
