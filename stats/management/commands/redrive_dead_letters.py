"""`manage.py redrive_dead_letters`: dead letters back into the queue."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error
from django.db.models import Q, QuerySet

from gateway.checks import TAG
from gateway.conf import conf
from gateway.idempotency import is_valid_idempotent_id
from stats import dead_letters
from stats.models import DeadLetter

NAME = "redrive_dead_letters"
MAX_NUMBER = 2**63 - 1


class Command(BaseCommand):
    """Exit code 0 when done, 1 when a database error stopped it, 2 on a bad argument."""

    help = (
        "Puts dead letters back into the queue: all that are dead, or those of one reason, or those named. "
        "An event that is counted already is not counted again. "
        "Exit code: 0 done, 1 stopped by a database error, 2 a bad argument."
    )
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--reason", help=f"only those of this reason: {', '.join(DeadLetter.Reason.values)}"
        )
        parser.add_argument(
            "--id",
            action="append",
            default=[],
            dest="ids",
            help="only this one, by its number or its event's id; may be repeated",
        )
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        letters = chosen(options["reason"], options["ids"])
        try:
            count = dead_letters.redrive(letters, by=NAME)
        except Error as error:
            reason = " ".join(str(error).split())
            raise CommandError(f"stopped by the database: {reason}", returncode=1) from None
        self.stdout.write(json.dumps({"redriven": count}) if options["json"] else f"Redriven: {count}")


def chosen(reason: str | None, ids: list[str]) -> QuerySet[DeadLetter]:
    """The letters that both arguments allow. Raises CommandError that names the argument."""
    letters = DeadLetter.objects.using(conf.database).all()
    if reason is not None:
        if reason not in DeadLetter.Reason.values:
            choices = ", ".join(DeadLetter.Reason.values)
            raise CommandError(f"--reason: {reason!r} is none of {choices}", returncode=2)
        letters = letters.filter(reason=reason)
    if ids:
        numbers = [int(text) for text in ids if is_number(text)]
        event_ids = [text for text in ids if is_valid_idempotent_id(text)]
        if len(numbers) + len(event_ids) < len(ids):
            bad = next(text for text in ids if not is_number(text) and not is_valid_idempotent_id(text))
            raise CommandError(f"--id: {bad!r} is no number of a dead letter and no event id", returncode=2)
        letters = letters.filter(Q(pk__in=numbers) | Q(event_id__in=event_ids))
    return letters


def is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_NUMBER
