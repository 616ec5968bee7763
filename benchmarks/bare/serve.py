"""Runs the bare system as `manage.py serve` runs ours: gunicorn and a cluster below a supervisor."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.bare.settings")

import django
from django.conf import settings

from gateway import embedded_postgres

ROOT = Path(__file__).resolve().parent.parent.parent


def main() -> int:
    embedded_postgres.ensure_running(settings.VAR_DIR)
    django.setup()
    from django.core.management import call_command

    from gateway import startup, supervision
    from gateway.management.commands.serve import Announcement, Command
    from gateway.supervisor import Service

    web = startup.Web.from_settings(settings.WEB_SERVER)
    try:
        web.check_free()
    except startup.StartupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    call_command("migrate", run_syncdb=True, interactive=False, verbosity=0)
    # Without our system checks, which rightly refuse such a cluster.
    services = (
        Service("web server", startup.gunicorn_command(web, settings.VAR_DIR, sys.executable)),
        Service("task queue", [sys.executable, str(ROOT / "manage.py"), "qcluster", "--skip-checks"]),
    )
    # With the embedded server brought back as ours is: its keeper's death is not what is compared.
    return supervision.run(services, Announcement(web, Command()).tick)


if __name__ == "__main__":
    sys.exit(main())
