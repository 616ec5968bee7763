"""`manage.py set_read_from`: which path answers readers, and another one from now on."""

from __future__ import annotations

import getpass
import json
from collections.abc import Sequence
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from gateway.checks import TAG
from gateway.conf import conf
from gateway.read_settings import ReadSettings, read_settings
from stats import read_from
from stats.models import ReadChange

SHOWN = 10  # latest changes


class Command(BaseCommand):
    """Exit code 0 when it is in force, 1 when the database can't be asked, 2 on a bad argument."""

    help = (
        "Chooses who is answered by the queue path and who by the legacy collector, in all processes within "
        "10 seconds. What is not given stays as it is. Without any argument, shows what is in force and the "
        "latest changes. Exit code: 0 it is in force, 1 the database can't be asked, 2 a bad argument."
    )
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "percent",
            nargs="?",
            metavar="queue|legacy|PERCENT",
            help="readers that the queue path answers, in percent; queue is 100, legacy is 0",
        )
        for path in ("queue", "legacy"):
            parser.add_argument(
                f"--{path}-readers",
                metavar="NAMES",
                help=f"user:NAME or token:NAME, with commas between: the {path} path answers these in any "
                'case; "" for none',
            )
        parser.add_argument(
            "--compare",
            metavar="PERCENT",
            help="answers that are compared with the other path's, in the background",
        )
        parser.add_argument("--note", default="", help="why; kept in the history")
        parser.add_argument("--by", default="", help="who (default: the system's user)")
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        names = ("percent", "queue_readers", "legacy_readers", "compare")
        given = [options[name] for name in names]
        try:
            in_force = read_from.chosen() or conf.read_from
            if any(value is not None for value in given):
                in_force = _changed(in_force, given)
                by = options["by"] or f"set_read_from by {getpass.getuser()}"
                read_from.change(in_force, by=by, note=options["note"])
            changes = list(ReadChange.objects.using(conf.database)[:SHOWN])
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from None
        except Error as error:
            raise CommandError(f"database: {' '.join(str(error).split())}", returncode=1) from None
        write = _as_json if options["json"] else _as_text
        self.stdout.write(write(in_force, changes))


def _changed(before: ReadSettings, given: Sequence[str | None]) -> ReadSettings:
    """What is in force, but for what is given. Raises ValueError."""
    return read_settings(*(old if new is None else new for old, new in zip(before, given, strict=True)))


def _as_json(in_force: ReadSettings, changes: Sequence[ReadChange]) -> str:
    return json.dumps(
        {
            "percent": in_force.percent,
            "queue_readers": sorted(in_force.queue_readers),
            "legacy_readers": sorted(in_force.legacy_readers),
            "compared_percent": in_force.compared_percent,
            "changes": [
                {
                    "percent": change.percent,
                    "compared_percent": change.compared_percent,
                    "changed_at": change.changed_at.isoformat(),
                    "changed_by": change.changed_by,
                    "note": change.note,
                }
                for change in changes
            ],
        }
    )


def _as_text(in_force: ReadSettings, changes: Sequence[ReadChange]) -> str:
    lines = [
        f"In force: {in_force.percent:g} % of the readers from the queue path;"
        f" {in_force.compared_percent:g} % of the answers are compared"
    ]
    for path, readers in (("queue path", in_force.queue_readers), ("collector", in_force.legacy_readers)):
        if readers:
            lines.append(f"  always from the {path}: {', '.join(sorted(readers))}")
    lines += [
        f"  {change}, by {change.changed_by}{f': {change.note}' if change.note else ''}" for change in changes
    ]
    return "\n".join(lines)
