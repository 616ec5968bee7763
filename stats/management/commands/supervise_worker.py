"""`manage.py supervise_worker`: the task queue's cluster alone, supervised; for systemd and containers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, SystemCheckError

from gateway import startup, supervision
from gateway.conf import conf
from gateway.supervisor import Service
from stats.worker_watch import Watch

FAILURES = 10  # ends in a row without a sign of life; more than a minute with the pauses between
CONFIGURATION = 2


class Command(BaseCommand):
    """Exit codes: 0 stopped by a signal, 2 mistake in the configuration, 3 gave up, 1 anything else."""

    help = (
        "Runs qcluster as a process group and starts it again when it ends, hangs or lost a process. Exit "
        "code 0 after SIGTERM, SIGINT or SIGHUP, 2 if the configuration is wrong, 3 if the cluster failed "
        f"{FAILURES} times in a row while the database answered. Starts, and waits, without a database."
    )
    requires_system_checks: list[str] = []  # they are run below, for an exit code of their own

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            startup.apart(startup.check)
        except SystemCheckError as error:
            self.stderr.write(f"error: {error}")
            sys.exit(CONFIGURATION)
        command = [sys.executable, str(Path(sys.argv[0]).resolve()), "qcluster", "--skip-checks"]
        service = Service("task queue", command, watch=Watch(), nice=conf.worker_nice, most_failures=FAILURES)
        sys.exit(supervision.run([service]))
