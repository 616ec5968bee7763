"""`manage.py supervise_worker`: the task queue's cluster alone, supervised; for systemd and containers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, SystemCheckError

from gateway import embedded_postgres
from gateway.conf import conf
from gateway.supervisor import Service, Supervisor, end_orphans
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
            self.check()
        except SystemCheckError as error:
            self.stderr.write(f"error: {error}")
            sys.exit(CONFIGURATION)
        sys.exit(self._supervise())

    def _supervise(self) -> int:
        command = [sys.executable, str(Path(sys.argv[0]).resolve()), "qcluster"]
        service = Service("task queue", command, watch=Watch(), most_failures=FAILURES)
        if not getattr(settings, "EMBEDDED_POSTGRES", False):
            return Supervisor([service]).run()
        try:
            return Supervisor([service], lambda: embedded_postgres.revive(conf.var_dir), self._keepers).run()
        finally:
            end_orphans(self._keepers)
            embedded_postgres.leave(conf.var_dir)
            end_orphans(self._keepers)

    @staticmethod
    def _keepers() -> tuple[int | None, ...]:
        """Adopted, maybe, but not ours to end: others may be using them."""
        return embedded_postgres.keeper_pid(conf.var_dir), embedded_postgres.server_pid(conf.var_dir)
