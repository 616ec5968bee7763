"""`manage.py check_alerts`: what fires, for who asks from outside."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from stats.alerts import sending
from stats.alerts.evaluation import evaluate
from stats.alerts.incidents import Outcome
from stats.alerts.machine import Phase
from stats.alerts.measures import figure
from stats.errors import one_line

MARKS = {
    Phase.OK: "ok      ",
    Phase.PENDING: "pending ",
    Phase.FIRING: "FIRING  ",
    Phase.CLEARING: "clearing",
}


class Command(BaseCommand):
    """Exit code 0 if nothing fires, 1 if something does or can't be asked, 2 on a bad argument."""

    help = (
        "Evaluates the alert rules now and sends the messages that are due, as the worker does each minute. "
        "Run by cron or a systemd timer it also tells of a worker that is dead; beside a living one it does "
        "no harm. Exit code: 0 nothing fires, 1 something does, or the database can't be asked, 2 a bad "
        "argument."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--rule", help="only tell of the rule of this name (all are evaluated)")
        parser.add_argument("--no-send", action="store_true", help="leave the messages to the worker")
        parser.add_argument("--json", action="store_true", help="the rules as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            outcomes = evaluate()
            if not options["no_send"]:
                sending.send_due()
        except (Error, OSError) as error:
            raise CommandError(f"not evaluated: {one_line(error)}", returncode=1) from None
        told = _chosen(outcomes, options["rule"])
        self.stdout.write(_json(told) if options["json"] else _readable(told))
        if any(outcome.after.phase.is_open for outcome in told):
            sys.exit(1)


def _chosen(outcomes: list[Outcome], name: str | None) -> list[Outcome]:
    ordered = sorted(outcomes, key=lambda one: (not one.after.phase.is_open, one.rule.name))
    if name is None:
        return ordered
    found = [one for one in ordered if one.rule.name == name]
    if not found:
        raise CommandError(f"--rule: {name!r} is no rule that is switched on", returncode=2)
    return found


def _json(outcomes: list[Outcome]) -> str:
    firing = sum(one.after.phase.is_open for one in outcomes)
    unknown = sum(one.measured.value is None for one in outcomes)
    rules = [
        {
            "rule": one.rule.name,
            "measure": one.rule.measure,
            "route": one.rule.route,
            "severity": one.rule.severity,
            "state": one.after.phase.value,
            "since": one.after.since.isoformat(timespec="seconds"),
            "value": one.measured.value,
            "detail": one.measured.detail,
            "fires_from": one.rule.bound,
            "clears_at": one.rule.clears_at,
        }
        for one in outcomes
    ]
    return json.dumps({"firing": firing, "unknown": unknown, "rules": rules})


def _readable(outcomes: list[Outcome]) -> str:
    if not outcomes:
        return "No rule is switched on."
    widest = max(len(one.rule.name) for one in outcomes)
    return "\n".join(_line(one, widest) for one in outcomes)


def _line(one: Outcome, widest: int) -> str:
    value = "unknown" if one.measured.value is None else figure(one.rule.measure, one.measured.value)
    detail = f" ({one.measured.detail})" if one.measured.detail else ""
    bound = figure(one.rule.measure, one.rule.bound)
    return f"{MARKS[one.after.phase]}  {one.rule.name:<{widest}}  {value}{detail}  [fires from {bound}]"
