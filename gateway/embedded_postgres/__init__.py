"""Zero-setup PostgreSQL, for when DATABASE_URL is unset.

A keeper process (`keeper`) runs the server for as long as any process uses it; a user is who
holds a shared lock, which `ensure_running` takes for the life of the process. Imports no Django: the
settings import this module.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.embedded_postgres.files import DATABASE, SUPERUSER, EmbeddedPostgresError, Files
from gateway.embedded_postgres.users import become_user, has_users, resign

__all__ = [
    "EmbeddedPostgresError",
    "connection_settings",
    "ensure_running",
    "join",
    "keeper_pid",
    "leave",
    "resume",
    "revive",
    "server_pid",
    "suspend",
]

START_SECONDS = 60.0
RESPAWN_SECONDS = 3.0
HEED_SECONDS = 0.5  # within which the keeper has seen a file


def connection_settings(var_dir: Path) -> dict[str, Any]:
    """The entry for Django's DATABASES; starts nothing."""
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": DATABASE,
        "USER": SUPERUSER,
        "PASSWORD": "",
        "HOST": str(Files.of(var_dir).socket_dir),
        # Named, so that a PGPORT in the environment can't lead elsewhere.
        "PORT": "5432",
    }


def ensure_running(var_dir: Path, seconds: float = START_SECONDS) -> None:
    """Have the server up, and kept up while this process (or a fork of it) lives.

    Blocks until it answers. Raises EmbeddedPostgresError when it can't be started within `seconds`.
    """
    files = Files.of(var_dir)
    deadline = time.monotonic() + seconds
    become_user(files, deadline)
    spawned = 0.0
    while not _answers(files):
        if spawned and (failure := files.read_failure()):
            raise EmbeddedPostgresError(failure)
        if time.monotonic() > deadline:
            why = f"held down by {files.hold}" if files.hold.exists() else files.log_tail()
            raise EmbeddedPostgresError(f"PostgreSQL is not up after {seconds:.0f} s: {why}")
        if time.monotonic() - spawned > RESPAWN_SECONDS and files.keeper_pid() is None:
            _spawn_keeper(files)
            spawned = time.monotonic()
        time.sleep(0.05)


def join(var_dir: Path) -> None:
    """Like `ensure_running`, but wait only for a server that nobody was keeping yet.

    For processes that must start even while the database is away, such as a web worker in an outage:
    what they capture goes to the fallback. Raises EmbeddedPostgresError.
    """
    files = Files.of(var_dir)
    become_user(files, time.monotonic() + START_SECONDS)
    if files.keeper_pid() is None and not files.hold.exists():
        ensure_running(var_dir)
    else:
        revive(var_dir)


def revive(var_dir: Path) -> None:
    """Start the keeper if it is gone; waits for nothing."""
    files = Files.of(var_dir)
    if files.keeper_pid() is None:
        _spawn_keeper(files)


def leave(var_dir: Path, seconds: float = 30.0) -> None:
    """Stop being a user, and, if that was the last one, wait until server and keeper are gone."""
    files = Files.of(var_dir)
    if resign(files):
        _wait(lambda: files.keeper_pid() is None or has_users(files), seconds)


def server_pid(var_dir: Path) -> int | None:
    """The postmaster's process id, or None if none runs."""
    return Files.of(var_dir).server_pid()


def keeper_pid(var_dir: Path) -> int | None:
    """The keeper's process id, or None if none runs."""
    return Files.of(var_dir).keeper_pid()


def suspend(var_dir: Path, mode: str = "fast") -> None:
    """Stop the server ("fast" or "immediate") and hold it down until `resume`, for tests of outages."""
    files = Files.of(var_dir)
    files.hold.write_text(mode)
    time.sleep(HEED_SECONDS)  # a server that is just being started has no process id yet
    if not _wait(lambda: files.server_pid() is None, 30):
        raise EmbeddedPostgresError("the server did not stop")


def resume(var_dir: Path) -> None:
    """End `suspend`; returns when the server answers again. Raises EmbeddedPostgresError."""
    files = Files.of(var_dir)
    files.hold.unlink(missing_ok=True)
    ensure_running(var_dir)


def _spawn_keeper(files: Files) -> None:
    files.failure.unlink(missing_ok=True)
    with os.fdopen(os.open(files.keeper_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)) as log:
        subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "gateway.embedded_postgres.keeper", str(files.var_dir)],
            cwd=Path(__file__).resolve().parent.parent.parent,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            check=False,
        )


def _answers(files: Files) -> bool:
    import psycopg  # late: a settings import must stay cheap

    try:
        psycopg.connect(
            host=str(files.socket_dir), port=5432, user=SUPERUSER, dbname=DATABASE, connect_timeout=2
        ).close()
    except psycopg.OperationalError as error:
        # It is up, only too busy to let one more in.
        return "too many clients" in str(error) or "reserved for roles" in str(error)
    return True


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
