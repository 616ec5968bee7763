"""A database of one's own for a benchmark, and processes that are sure to end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gateway import embedded_postgres
from tests.integration.processes import ROOT, environment, processes_of

STOP_SECONDS = 10.0


@contextmanager
def fresh(settings: str = "gateway.settings", **extra: str) -> Iterator[Path]:
    """A VAR_DIR with a migrated database, with Django set up for it in this process; all gone at the end."""
    with tempfile.TemporaryDirectory(prefix="tg-") as folder:
        var_dir = Path(folder) / "var"
        var_dir.mkdir()
        with opened(var_dir, settings, **extra):
            yield var_dir


@contextmanager
def opened(var_dir: Path, settings: str = "gateway.settings", **extra: str) -> Iterator[Path]:
    """The same in a folder that stays."""
    os.environ.update(VAR_DIR=str(var_dir), LOG_LEVEL="WARNING", DJANGO_SETTINGS_MODULE=settings, **extra)
    for name in ("DATABASE_URL", "LEGACY_DATABASE_URL"):
        os.environ.pop(name, None)
    embedded_postgres.ensure_running(var_dir)
    import django
    from django.core.management import call_command
    from django.db import connections

    django.setup()
    try:
        call_command("migrate", verbosity=0, run_syncdb=True)
        call_command("migrate", database="legacy", verbosity=0)
        yield var_dir
    finally:
        connections.close_all()
        _end(var_dir)
        embedded_postgres.leave(var_dir)


def _end(var_dir: Path) -> None:
    """Kills what was started for the folder and still lives, but not its PostgreSQL."""
    for pid, command in processes_of(var_dir).items():
        if "postgres" not in command:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class Ended(Exception):
    """A process that was to go on has ended."""


class Process:
    """A management command in a session of its own, its output in a file."""

    def __init__(self, var_dir: Path, *arguments: str, **extra: str) -> None:
        self.log = var_dir / f"{arguments[0]}.log"
        with self.log.open("w") as log:
            self.popen = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", "django", *arguments],
                cwd=ROOT,
                env=environment(var_dir, **extra),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raises Ended, with the last lines of its output."""
        if self.popen.poll() is not None:
            raise Ended(f"{self.popen.args}: {self.log.read_text()[-2000:]}")

    def stop(self) -> None:
        """Ends it and all that it started."""
        self.popen.terminate()
        try:
            self.popen.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.popen.pid, signal.SIGKILL)
            self.popen.wait()


@contextmanager
def running(var_dir: Path, *arguments: str, **extra: str) -> Iterator[Process]:
    process = Process(var_dir, *arguments, **extra)
    try:
        yield process
    finally:
        process.stop()


def checkpoint() -> None:
    """What was written before is on disk before the next thing is timed."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")


def version() -> str:
    """PostgreSQL's own."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return str(cursor.fetchone()[0])
