"""`manage.py send_alerts`: the messages of alerts that are due."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from stats.alerts import sending
from stats.errors import one_line


class Command(BaseCommand):
    """Exit code 0 if all arrived, 1 if one did not or the database can't be asked, 2 on a bad argument."""

    help = (
        "Sends the messages of alerts that are due to their channels, each once. The worker starts this when "
        "one waits. What does not arrive is tried again, later each time, for a day; then it is given up and "
        "the admin shows it. Exit code: 0 all arrived, 1 one did not, or the database can't be asked, 2 a "
        "bad argument."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            done = sending.send_due()
        except (Error, OSError) as error:
            raise CommandError(f"stopped by the database: {one_line(error)}", returncode=1) from None
        if options["json"]:
            self.stdout.write(json.dumps(asdict(done)))
        else:
            self.stdout.write(f"Sent: {done.sent} | Not sent: {done.failed}")
        if done.failed:
            sys.exit(1)
