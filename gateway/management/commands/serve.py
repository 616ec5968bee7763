"""`manage.py serve`: the whole system in one command."""

from __future__ import annotations

import http.client
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils.module_loading import import_string

from gateway import embedded_postgres, startup, supervision
from gateway.conf import conf
from gateway.processes import adopt_orphans
from gateway.supervisor import Service


class Command(BaseCommand):
    """Exit code 0 after a stop by signal, 2 when it can't start."""

    help = "Prepares the databases, then runs gunicorn and the task queue until it is stopped."

    requires_system_checks: list[str] = []  # they are run below, in a process of their own

    def handle(self, *args: Any, **options: Any) -> None:
        startup.apart(startup.check)
        try:
            web = startup.Web.from_settings(settings.WEB_SERVER)
            web.check_free()
            if supervision.is_embedded():
                adopt_orphans()  # the keeper, so that not even its exit status stays behind
                embedded_postgres.ensure_running(conf.var_dir)
            startup.check_databases()
        except (startup.StartupError, embedded_postgres.EmbeddedPostgresError) as error:
            self.stderr.write(f"error: {error}")
            sys.exit(2)
        password = startup.apart(startup.prepare, conf.var_dir)
        if password is not None:
            self.stdout.write(
                f"Superuser created: {startup.ADMIN}, password {password} (shown only this once; "
                f"`manage.py changepassword {startup.ADMIN}` sets another)"
            )
        self.stdout.flush()
        sys.exit(self._supervise(web))

    def _supervise(self, web: startup.Web) -> int:
        manage = [sys.executable, str(Path(sys.argv[0]).resolve())]
        services = (
            Service("web server", startup.gunicorn_command(web, conf.var_dir, sys.executable)),
            # By its path: the gateway does not know the statistics, whose worker is watched.
            Service(
                "task queue",
                [*manage, "qcluster", "--skip-checks"],
                watch=import_string(conf.worker_watch)(),
                nice=conf.worker_nice,
            ),
        )
        return supervision.run(services, Announcement(web, self).tick)


class Announcement:
    """Prints the addresses once the web server answers."""

    def __init__(self, web: startup.Web, command: BaseCommand) -> None:
        self.web = web
        self.command = command
        self.done = False

    def tick(self) -> None:
        if self.done or not self._answers():
            return
        self.done = True
        self.command.stdout.write(f"Tallygate is up: {self.web.url}  admin: {self.web.url}admin/")
        self.command.stdout.flush()

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(*self.web.address, timeout=1)
        try:
            connection.request("GET", "/healthz")
            # Any answer: one that refuses this Host header comes from a running server, too.
            return connection.getresponse().status > 0
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
