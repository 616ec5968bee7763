"""`manage.py fallback_drill`."""

from __future__ import annotations

import getpass
import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from gateway.checks import TAG
from legacy_collector.collector import CollectorRefused
from stats import drill


class Command(BaseCommand):
    """Exit code 0 if all that fell back was counted, 1 if not, 2 on a bad argument."""

    help = (
        "Has the queue refuse for some seconds in one process that sends events right now, on request only, "
        "and then looks whether every event that fell back to the legacy collector meanwhile was replayed "
        "and counted. Exit code: 0 all were, 1 not all, or nothing fell back, 2 a bad argument."
    )
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--seconds", type=float, default=drill.SECONDS, help="(default: 5)")
        parser.add_argument("--json", action="store_true", help="the outcome as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        say = (lambda line: None) if options["json"] else self.stdout.write
        try:
            outcome = drill.run(options["seconds"], f"fallback_drill by {getpass.getuser()}", say)
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from None
        except (Error, CollectorRefused) as error:
            raise CommandError(" ".join(str(error).split()), returncode=1) from None
        if options["json"]:
            self.stdout.write(json.dumps({**asdict(outcome), "holds": outcome.holds}))
        elif outcome.holds:
            self.stdout.write(f"Holds: {outcome.fallen_back:,} events fell back, all of them are counted.")
        else:
            self.stdout.write(f"Does not hold: {outcome.error}.")
        if not outcome.holds:
            sys.exit(1)
