"""`manage.py carry_out_repairs`: what people asked for in the admin, to its end."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from rich.console import Console
from rich.progress import Progress

from gateway import priority
from gateway.conf import conf
from stats import repairs
from stats.models import Repair

NAME = "carry_out_repairs"
NICER = 5  # than the worker


class Command(BaseCommand):
    """Exit code 0 when none is left, 1 when the database stopped it."""

    help = (
        "Carries out the repairs that wait, and takes up those that were abandoned: each chunk exactly once, "
        "however often it is killed. The admin starts it; to run it twice at once does no harm. "
        "Exit code: 0 none is left, 1 stopped by the database, 2 a bad argument."
    )
    # Who starts it was checked; mostly that would be half of its time.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if sys.argv[1:2] == [NAME]:  # a process of its own: requests and counting come first
            priority.lower(os.getpid(), conf.worker_nice + NICER)
        try:
            ended = _with_bar()
        except (Error, OSError) as error:
            reason = " ".join(str(error).split())
            raise CommandError(f"stopped by the database: {reason}", returncode=1) from None
        self.stdout.write(json.dumps({"ended": ended}) if options["json"] else f"Repairs ended: {ended}")


def _with_bar() -> int:
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)

        def on_chunk(repair: Repair) -> None:
            bar.update(task, description=str(repair), completed=repair.done, total=repair.total)

        return repairs.carry_out_all(on_chunk)
