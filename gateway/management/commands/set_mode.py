"""`manage.py set_mode`: which mode is in force, and another one from now on."""

from __future__ import annotations

import getpass
import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from gateway import modes
from gateway.checks import TAG
from gateway.conf import MODES, conf
from gateway.models import ModeChange

SHOWN = 10  # latest changes


class Command(BaseCommand):
    """Exit code 0 when the mode is in force, 1 when the database can't be asked, 2 on a bad argument."""

    help = (
        "Puts a mode into force, in all processes within 10 seconds: legacy (the collector only), dual "
        "(queue and collector), sample (the queue, and the collector for a share), queue (the collector only "
        "where the queue refuses). Without a mode, shows the one in force and the latest changes. Exit code: "
        "0 it is in force, 1 the database can't be asked, 2 a bad argument."
    )
    requires_system_checks = (TAG,)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("mode", nargs="?", choices=MODES)
        parser.add_argument(
            "--sample-rate",
            type=float,
            metavar="SHARE",
            help="of mode sample: 0.01 is 1 %% (default: as it is)",
        )
        parser.add_argument("--note", default="", help="why; kept in the history")
        parser.add_argument("--by", default="", help="who (default: the system's user)")
        parser.add_argument("--json", action="store_true", help="the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["mode"] is None and options["sample_rate"] is not None:
            raise CommandError("--sample-rate: needs a mode", returncode=2)
        try:
            if options["mode"] is not None:
                modes.change(
                    options["mode"],
                    options["sample_rate"],
                    by=options["by"] or f"set_mode by {getpass.getuser()}",
                    note=options["note"],
                )
            in_force = modes.in_force()
            changes = list(ModeChange.objects.using(conf.database)[:SHOWN])
        except ValueError as error:
            raise CommandError(str(error), returncode=2) from None
        except Error as error:
            raise CommandError(f"database: {' '.join(str(error).split())}", returncode=1) from None
        write = _as_json if options["json"] else _as_text
        self.stdout.write(write(in_force, changes))


def _as_json(in_force: modes.InForce, changes: list[ModeChange]) -> str:
    return json.dumps(
        {
            "mode": in_force.mode,
            "sample_rate": in_force.sample_rate,
            "changes": [
                {
                    "mode": change.mode,
                    "sample_rate": change.sample_rate,
                    "changed_at": change.changed_at.isoformat(),
                    "changed_by": change.changed_by or None,
                    "note": change.note,
                }
                for change in changes
            ],
        }
    )


def _as_text(in_force: modes.InForce, changes: list[ModeChange]) -> str:
    share = f", {in_force.sample_rate:.3%} of the events" if in_force.mode == "sample" else ""
    lines = [f"In force: {in_force.mode}{share}"]
    lines += [
        f"  {change}, by {change.changed_by or 'the settings'}{f': {change.note}' if change.note else ''}"
        for change in changes
    ]
    return "\n".join(lines)
