"""`manage.py pipeline_status`: where every event is right now."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from gateway.checks import TAG
from stats.pipeline import status


class Command(BaseCommand):
    help = (
        "Prints how many events are stored, rolled up, queued, dead, waiting in the legacy collector or "
        "dropped, and when the consumer last showed a sign of life. Exit code 1 if a store can't be asked "
        "or the consumer's breaker is open."
    )
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        figures = status()
        problems = figures["problems"]
        if options["json"]:
            self.stdout.write(json.dumps(figures))
        else:
            for name, value in figures.items():
                if name != "problems":
                    self.stdout.write(f"{name.replace('_', ' '):32} {'unknown' if value is None else value}")
            for problem in problems:
                self.stderr.write(problem)
        if problems:
            sys.exit(1)
