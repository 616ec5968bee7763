"""What `serve` does before it starts anything: checks, each one line when it fails, then the databases."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import signal
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.exceptions import ImproperlyConfigured
from django.core.management import BaseCommand, call_command
from django.db import DEFAULT_DB_ALIAS, Error, connections

from gateway import modes
from gateway.conf import conf
from gateway.processes import die_with_parent, locked

ADMIN = "admin"
T = TypeVar("T")


class StartupError(RuntimeError):
    """Why the server can't start; the message is one line for a person."""


@dataclass(frozen=True)
class Web:
    """How the web server listens."""

    host: str
    port: int
    workers: int
    threads: int

    @classmethod
    def from_settings(cls, server: Mapping[str, str]) -> Web:
        """From the setting `WEB_SERVER`. Raises StartupError that names the variable."""
        return cls(
            host=server["HOST"],
            port=_number(server, "PORT", 65535),
            workers=_number(server, "WEB_CONCURRENCY", 256),
            threads=_number(server, "WEB_THREADS", 256),
        )

    @property
    def bind(self) -> str:
        """The address as gunicorn and a URL write it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def address(self) -> tuple[str, int]:
        """Where this machine reaches it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host), self.port  # noqa: S104

    @property
    def url(self) -> str:
        host, port = self.address
        return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"

    def check_free(self) -> None:
        """Raises StartupError when the address can't be listened on."""
        try:
            family, kind, proto, _, address = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with socket.socket(family, kind, proto) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen(1)
        except socket.gaierror as error:
            raise StartupError(f"HOST: {self.host!r} is no address: {error.strerror}") from None
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise StartupError(f"PORT: {self.port} is in use") from None
            raise StartupError(f"PORT: cannot listen on {self.bind}: {error.strerror}") from None


def _number(server: Mapping[str, str], name: str, most: int) -> int:
    text = server[name]
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise StartupError(f"{name}: {text!r} is not a number from 1 to {most}")
    return int(text)


def check_databases() -> None:
    """Raises StartupError that names the variable, the database and the reason, but no password."""
    for alias, variable in (
        (DEFAULT_DB_ALIAS, "DATABASE_URL"),
        (conf.legacy_database, "LEGACY_DATABASE_URL"),
    ):
        connection = connections[alias]
        try:
            connection.ensure_connection()
        except (Error, ImproperlyConfigured) as error:
            entry = connection.settings_dict
            reason = " ".join(str(error).split())
            if entry["PASSWORD"]:
                reason = reason.replace(str(entry["PASSWORD"]), "***")
            place = f"{entry['HOST'] or 'localhost'}:{entry['PORT'] or 5432}"
            where = f"database {entry['NAME']!r}" + (f" at {place}" if connection.vendor != "sqlite" else "")
            raise StartupError(f"{variable}: cannot connect to {where}: {reason}") from None


def prepare(var_dir: Path) -> str | None:
    """Migrate, collect static files, and make the first superuser, whose password is returned.

    Under a lock: two servers on the same VAR_DIR may start at once.
    """
    with locked(var_dir / "startup.lock"):
        for alias in (DEFAULT_DB_ALIAS, conf.legacy_database):
            call_command("migrate", database=alias, interactive=False, verbosity=0)
        modes.note_setting()
        _collect_static(var_dir / "static.digest")
        password = _first_admin()
    connections.close_all()
    return password


def check() -> None:
    """The system checks; warnings go to standard error. Raises SystemCheckError."""
    BaseCommand().check()


def apart(step: Callable[..., T], *arguments: object) -> T:
    """A step of the start in a forked child process: what it loads and leaves behind ends with that one.

    Who goes on afterwards only supervises, and is to stay small. Raises what the step raises.
    """
    connections.close_all()  # a connection belongs to one process
    context = get_context("fork")
    with ProcessPoolExecutor(1, context, initializer=die_with_parent(signal.SIGTERM)) as pool:
        return pool.submit(step, *arguments).result()


def _collect_static(stamp: Path) -> None:
    """Collects and compresses static files, unless they are those of the last time: that takes a second."""
    digest = hashlib.sha256(repr(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            modified = storage.get_modified_time(path).timestamp()
            digest.update(f"{path}\0{storage.path(path)}\0{storage.size(path)}\0{modified}\0".encode())
    wanted = digest.hexdigest()
    if Path(settings.STATIC_ROOT).is_dir() and stamp.is_file() and stamp.read_text() == wanted:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(wanted)


def _first_admin() -> str | None:
    users = get_user_model()._default_manager
    if users.filter(is_superuser=True).exists() or users.filter(username=ADMIN).exists():
        return None
    password = secrets.token_urlsafe(12)
    users.create_superuser(ADMIN, "", password)
    return password


def gunicorn_command(web: Web, var_dir: Path, python: str) -> list[str]:
    """The web server's command line."""
    module, _, name = str(settings.WSGI_APPLICATION).rpartition(".")
    # The workers' heartbeat is a file's time stamp: on a disk it could stall with the disk.
    memory = Path("/dev/shm")  # noqa: S108
    return [
        *(python, "-m", "gunicorn", f"{module}:{name}"),
        *("--bind", web.bind),
        *("--workers", str(web.workers)),
        *("--threads", str(web.threads)),
        *("--graceful-timeout", "10"),
        *("--worker-tmp-dir", str(memory if os.access(memory, os.W_OK) else var_dir)),
        *("--limit-request-line", "8190"),
        # SCRIPT_NAME and PATH_INFO are no client's to write; by default gunicorn takes them from loopback.
        *("--forwarder-headers", ""),
        *("--log-level", "warning"),
        # Loaded once, before the workers are forked: they share its memory.
        "--preload",
        # By default it opens one in the home directory, shared by all instances.
        "--no-control-socket",
    ]
