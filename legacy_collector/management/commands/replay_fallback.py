"""`manage.py replay_fallback`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from rich.console import Console
from rich.progress import Progress

from gateway.checks import TAG
from legacy_collector.replay import Outcome, replay_all


class Command(BaseCommand):
    """Exit code 0 if none waits any more, 1 if some do or a store refused, 2 on a bad argument."""

    help = (
        "Puts the events that the legacy collector took while the queue refused them into the queue. "
        "Nothing is counted twice. Exit code: 0 none waits any more, 1 some wait or a store refused, "
        "2 a bad argument."
    )
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        outcome = replay_with_bar()
        self.stdout.write(json.dumps(asdict(outcome)) if options["json"] else readable(outcome))
        if outcome.error and not options["json"]:
            self.stderr.write(f"error: {outcome.error}")
        if not outcome.holds:
            sys.exit(1)


def replay_with_bar() -> Outcome:
    """Runs it under a progress bar on standard error, if that is a terminal."""
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("Replaying", total=None)

        def advance(events: int, total: int) -> None:
            bar.update(task, advance=events, total=total)

        return replay_all(advance)


def readable(outcome: Outcome) -> str:
    waiting = "an unknown number" if outcome.waiting is None else str(outcome.waiting)
    return f"Replayed {outcome.replayed} events; {waiting} still wait."
