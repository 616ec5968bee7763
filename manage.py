#!/usr/bin/env python
"""Django's command line, which also sees to it that the embedded PostgreSQL is up when one is needed."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import NoReturn

# `serve` starts it itself, after the checks that are quicker.
WITHOUT_DATABASE = frozenset(
    {
        *("check", "collectstatic", "compilemessages", "diffsettings", "findstatic", "help"),
        *(
            "makemessages",
            "makemigrations",
            "replay_access_log",
            "sendtestemail",
            "serve",
            "startapp",
            "startproject",
        ),
        *("version", "--version"),
    }
)


# These have something to say, or to wait for, while the database is down.
IN_AN_OUTAGE = frozenset({"pipeline_status", "qcluster", "runserver", "supervise_worker"})


def needs_database(argv: list[str]) -> bool:
    """Whether the command talks to a database."""
    if len(argv) < 2 or {"-h", "--help"} & set(argv):
        return False
    if argv[1] == "check":
        return any(argument.startswith("--database") for argument in argv)
    return argv[1] not in WITHOUT_DATABASE


def end_by_exit(signum: int, frame: object) -> NoReturn:
    """SIGTERM's default action kills the process without its `atexit` functions, which send what waits."""
    sys.exit(0)


def load() -> None:
    """Load Django and the apps, all of which stay: to look for garbage meanwhile is a seventh of the time."""
    import django

    gc.disable()
    try:
        django.setup()
    finally:
        gc.enable()


def main(argv: list[str]) -> None:
    """Run one command; what is wrong with the configuration is one line and exit code 2."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from gateway import embedded_postgres, reloader

    if argv[1:2] == ["runserver"]:
        signal.signal(signal.SIGTERM, end_by_exit)
        reloader.install()
    try:
        if getattr(settings, "EMBEDDED_POSTGRES", False) and needs_database(argv):
            start = embedded_postgres.join if argv[1] in IN_AN_OUTAGE else embedded_postgres.ensure_running
            start(settings.VAR_DIR)
        if argv[1:2] != ["runserver"]:  # that one waits for a mistake to be mended
            load()
        execute_from_command_line(argv)
    except (embedded_postgres.EmbeddedPostgresError, ImproperlyConfigured) as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(sys.argv)
