"""One embedded PostgreSQL server: its system user, its data folder, its start and its end.

Its own code instead of the package's `PostgresServer`: that one splits a path at its spaces, keeps
its users in a file that goes stale when one is killed, and opens parent folders to everybody's eyes.
"""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

from gateway.embedded_postgres.files import DATABASE, SUPERUSER, EmbeddedPostgresError, Files
from gateway.embedded_postgres.install import MAJOR, open_programs, open_the_way, programs, system_user
from gateway.processes import die_with_parent

OPTIONS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
}
# The builtin provider sorts by code point on every machine, whatever locales it has.
INITDB = (
    "--auth=trust",
    f"--username={SUPERUSER}",
    "--encoding=UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)
# How long each way of stopping may take: fast shutdown, immediate shutdown.
STOP_SECONDS = {signal.SIGINT: 20.0, signal.SIGQUIT: 5.0}


class Server:
    """The binaries, run for one data folder. Only the keeper uses it."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.bin = programs()
        self.account = system_user() if os.getuid() == 0 else None
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Folders, rights and, the first time, the data. Raises EmbeddedPostgresError."""
        version = self.files.data / "PG_VERSION"
        if version.exists() and version.read_text().strip() != str(MAJOR):
            found = version.read_text().strip()
            raise EmbeddedPostgresError(
                f"{self.files.data} was made by PostgreSQL {found}, this one is {MAJOR}: "
                "dump it with the old version, or use another VAR_DIR"
            )
        if self.account:
            for path in (self.files.root / "x", self.bin / "x"):
                open_the_way(path)
            open_programs(self.bin)
        self._private_folder(self.files.socket_dir)
        if self.files.data.exists():
            self._private_folder(self.files.data)
        else:
            self._create()

    def start(self) -> None:
        """Start the postmaster; it is not ready yet when this returns."""
        options = [part for name, value in OPTIONS.items() for part in ("-c", f"{name}={value}")]
        command = [str(self.bin / "postgres"), "-D", str(self.files.data)]
        command += ["-c", f'unix_socket_directories="{self.files.socket_dir}"', *options]
        # Closed to others: what goes wrong is logged with the statement it went wrong in.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        with os.fdopen(os.open(self.files.server_log, flags, 0o600), "ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - the package's program
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Own session: what is sent to the keeper's group is not for the server.
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGINT),
                **self._identity(),
            )

    def stop(self, mode: str = "fast") -> None:
        """End the postmaster, by force if it takes too long."""
        process, self.process = self.process, None
        if process is None:
            return
        for signum, seconds in STOP_SECONDS.items():
            if mode == "immediate" and signum == signal.SIGINT:
                continue
            process.send_signal(signum)
            try:
                process.wait(seconds)
                return
            except subprocess.TimeoutExpired:
                continue
        process.kill()
        process.wait()

    def await_predecessor(self) -> None:
        """Wait for a server whose keeper was killed (it was told to stop), then make it go."""
        for signum, seconds in ((None, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            pid = self.files.server_pid()
            if pid is None:
                return
            if signum is not None:
                os.kill(pid, signum)
            deadline = time.monotonic() + seconds
            while self.files.server_pid() is not None and time.monotonic() < deadline:
                time.sleep(0.1)

    def _create(self) -> None:
        """`initdb` and the database, beside the final name: a half-made folder is never taken for data."""
        draft = self.files.root / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        self._private_folder(draft)
        self._run("initdb", "-D", str(draft), *INITDB)
        create = f"CREATE DATABASE {DATABASE};\n"
        self._run("postgres", "--single", "-D", str(draft), SUPERUSER, text=create)
        draft.rename(self.files.data)

    def _run(self, program: str, *arguments: str, text: str = "") -> None:
        done = subprocess.run(  # noqa: S603 - the package's program
            [str(self.bin / program), *arguments],
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=die_with_parent(signal.SIGKILL),
            check=False,
            **self._identity(),
        )
        if done.returncode:
            tail = " | ".join(done.stdout.decode(errors="replace").strip().splitlines()[-3:])
            raise EmbeddedPostgresError(f"{program} failed in {self.files.root}: {tail}")

    def _identity(self) -> dict[str, Any]:
        """Who runs a program, where, and with which environment: none of PostgreSQL's own variables."""
        options: dict[str, Any] = {"cwd": "/", "env": {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}}
        if self.account:
            user, group = self.account.pw_uid, self.account.pw_gid
            options |= {"user": user, "group": group, "extra_groups": []}
        return options

    def _private_folder(self, folder: Path) -> None:
        """A 0700 folder of the server's user; one that somebody else laid there is refused."""
        owner = self.account.pw_uid if self.account else os.getuid()
        try:
            folder.mkdir(mode=0o700)
            if self.account:
                os.chown(folder, owner, self.account.pw_gid)
        except FileExistsError:
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner:
                raise EmbeddedPostgresError(f"{folder} belongs to somebody else: remove it") from None
            folder.chmod(0o700)
        except OSError as error:
            raise EmbeddedPostgresError(f"cannot make {folder}: {error.strerror}") from None
