"""`manage.py apply_retention`: archives, drops and deletes all that is due."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gateway.checks import TAG
from stats.management.days import stopping
from stats.management.progress import day_bar
from stats.retention import Summary, apply, plan


class Command(BaseCommand):
    """Exit code 0 if all that was due is done, 1 if something was not, 2 on a bad argument."""

    help = (
        "Archives days that are over, drops the events, hourly statistics, dead letters, task records and "
        "archived files that are past their retention. Locks nobody out for more than half a second. "
        "Exit code: 0 all that was due is done, 1 something was not, and why, 2 a bad argument."
    )
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        with stopping():
            if options["dry_run"]:
                summary = plan()
            else:
                with day_bar() as on_day:
                    summary = apply(on_day=on_day)
        if options["json"]:
            self.stdout.write(json.dumps(summary.as_dict() | {"dry_run": options["dry_run"]}))
        else:
            self.stdout.write(readable(summary, options["dry_run"]))
            for problem in summary.problems:
                self.stderr.write(problem)
        if summary.problems:
            sys.exit(1)


def readable(summary: Summary, is_plan: bool) -> str:
    hours = f"{len(summary.hourly_days)} days" + ("" if is_plan else f", {summary.hourly_rows} rows")
    lines = [
        f"archived        {', '.join(map(str, summary.archived)) or '-'}",
        f"events dropped  {', '.join(map(str, summary.dropped)) or '-'}",
        f"hours dropped   {hours}",
        f"deleted         {summary.dead_letters} dead letters, {summary.tasks} tasks, "
        f"{summary.archive_files} archived files, {summary.empty_partitions} empty partitions",
    ]
    return "\n".join(["Would be done:", *lines] if is_plan else lines)
