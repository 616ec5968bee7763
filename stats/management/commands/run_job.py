"""`manage.py run_job`: a run that the admin or the clock has asked for."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error

from gateway.conf import conf
from stats import jobs
from stats.models import JobRun


class Command(BaseCommand):
    """Exit code: that of the job's own command, 1 if the database stopped it, 2 on a bad argument."""

    help = (
        "Carries out one run of a job and keeps its outcome for the admin, which starts this; by hand the "
        "job's own command does the same. Exit code: the job's own, 1 stopped by the database, "
        "2 a bad argument."
    )
    # Who starts it was checked; mostly that would be half of its time.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("run", type=int, help="the number of the run")
        parser.add_argument("--json", action="store_true", help="the outcome as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            run = JobRun.objects.using(conf.database).filter(pk=options["run"]).first()
            if run is None or run.job not in jobs.JOBS:
                raise CommandError(f"run: {options['run']} is none that is known", returncode=2)
            exit_code = jobs.carry_out(run)
        except Error as error:
            raise CommandError(f"database: {' '.join(str(error).split())}", returncode=1) from None
        outcome = {"job": run.job, "exit_code": exit_code, "output": run.output}
        self.stdout.write(json.dumps(outcome) if options["json"] else run.output)
        sys.exit(exit_code)
