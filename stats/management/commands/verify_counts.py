"""`manage.py verify_counts`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from rich.console import Console
from rich.progress import Progress

from gateway.checks import TAG
from legacy_collector.collector import CollectorRefused
from stats.management.days import moment
from stats.reports.errors import ReportTimedOut
from stats.verification import Report, Verdict, store, verify
from stats.verification.text import text
from stats.verification.verify import TOLERANCE


class Command(BaseCommand):
    """Exit code 0 if both paths count the same, 1 if not or not enough is known, 2 on a bad argument."""

    help = (
        "Compares the queue path with the legacy collector over a time that is over: by ids where both keep "
        "them, else by routes and hours, each hour by the mode that was in force. Also compares the queue "
        "path's statistics with its rows. Exit code: 0 both count the same, 1 they don't, or too little is "
        "known to say, 2 a bad argument."
    )
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--since", type=moment, help="begin, UTC: 2026-01-31 or 2026-01-31T14:00")
        parser.add_argument("--until", type=moment, help="end, UTC (default: what has settled by now)")
        parser.add_argument("--days", type=int, help="whole days up to today (default: 1)")
        parser.add_argument(
            "--tolerance", type=float, default=TOLERANCE * 100, metavar="PERCENT", help="(default: 1.0)"
        )
        parser.add_argument(
            "--store", action="store_true", help="keeps the report for the admin and readiness"
        )
        parser.add_argument("--json", action="store_true", help="the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        since, until = _bounds(options["since"], options["until"], options["days"])
        try:
            report = _with_bar(since, until, options["tolerance"] / 100)
            if options["store"]:
                store(report)
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from None
        except (Error, CollectorRefused, ReportTimedOut) as error:
            raise CommandError(" ".join(str(error).split()), returncode=1) from None
        self.stdout.write(msgspec.json.encode(report).decode() if options["json"] else text(report))
        if report.verdict is not Verdict.HOLDS:
            sys.exit(1)


def _bounds(since: datetime | None, until: datetime | None, days: int | None) -> tuple[datetime, datetime]:
    if days is not None and (since or until):
        raise CommandError("--days: not beside --since or --until", returncode=2)
    if days is not None and days < 1:
        raise CommandError(f"--days: {days} is not at least 1", returncode=2)
    now = datetime.now(UTC)
    if since is None:
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return (until or today) - timedelta(days=days or 1), until or today
    return since, until or now.replace(minute=0, second=0, microsecond=0)


def _with_bar(since: datetime, until: datetime, tolerance: float) -> Report:
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("Comparing", total=1.0)
        return verify(since, until, tolerance, lambda share: bar.update(task, completed=share))
