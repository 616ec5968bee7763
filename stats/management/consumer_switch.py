"""What the commands that pause and resume the consumer share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from gateway.checks import TAG


class ConsumerSwitch(BaseCommand):
    """Exit code 0 when the consumer is in the wanted state, 1 when the database can't be asked."""

    name: ClassVar[str]  # of the command: it stands for who did it
    switch: ClassVar[Callable[..., bool]]  # by whom, and why if that is asked; whether it changed something
    takes_note: ClassVar[bool] = False
    changed: ClassVar[str]
    unchanged: ClassVar[str]
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: CommandParser) -> None:
        if self.takes_note:
            parser.add_argument("--note", default="", help="why; the admin shows it")
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            note = [options["note"]] if self.takes_note else []
            has_changed = type(self).switch(self.name, *note)
        except Error as error:
            raise CommandError(f"database: {' '.join(str(error).split())}", returncode=1) from None
        if options["json"]:
            self.stdout.write(json.dumps({"changed": has_changed}))
        else:
            self.stdout.write(self.changed if has_changed else self.unchanged)
