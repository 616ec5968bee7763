"""`manage.py readiness`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from gateway.checks import TAG
from stats.readiness import Condition, Readiness, State, readiness

MARKS = {State.PASS: "pass", State.FAIL: "FAIL", State.UNKNOWN: "?   "}


class Command(BaseCommand):
    """Exit code 0 only if every condition passes, 1 otherwise."""

    help = (
        "The gate before the next phase of the cutover: each condition with its figure, its bound, whether "
        "it passes, and what to do if not. All figures come from the running system. Exit code: 0 all pass, "
        "1 one does not or too little is known, 2 a bad argument."
    )
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the conditions as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        found = readiness()
        if options["json"]:
            conditions = [asdict(condition) for condition in found.conditions]
            self.stdout.write(json.dumps({"ready": found.is_open, "conditions": conditions}))
        else:
            self.stdout.write(readable(found))
        if not found.is_open:
            sys.exit(1)


def readable(found: Readiness) -> str:
    widest = max(len(condition.name) for condition in found.conditions)
    lines = [_line(condition, widest) for condition in found.conditions]
    missing = sum(condition.state is not State.PASS for condition in found.conditions)
    verdict = "Ready." if found.is_open else f"Not ready: {missing} of {len(lines)} conditions don't pass."
    return "\n".join([*lines, "", verdict])


def _line(condition: Condition, widest: int) -> str:
    line = f"{MARKS[condition.state]}  {condition.name:<{widest}}  {condition.figure}  [{condition.bound}]"
    needs_advice = condition.state is not State.PASS and condition.advice
    return f"{line}\n      {'':<{widest}}-> {condition.advice}" if needs_advice else line
