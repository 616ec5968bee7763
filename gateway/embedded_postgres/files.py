"""Where the embedded PostgreSQL keeps its files, and what they say about its processes."""

from __future__ import annotations

import fcntl
import hashlib
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gateway.processes import try_lock

DATABASE = "tallygate"
SUPERUSER = "postgres"
# A Unix socket's path holds 107 bytes; PostgreSQL appends "/.s.PGSQL.5432".
LONGEST_SOCKET_DIR = 92
# Fixed, not the environment's TMPDIR: processes whose TMPDIR differs must find the same socket.
SHORT_DIR = Path("/tmp")  # noqa: S108


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL can't be used; the message is one line for a person."""


@dataclass(frozen=True)
class Files:
    """The files below `<var_dir>/postgres`."""

    var_dir: Path

    @classmethod
    def of(cls, var_dir: Path) -> Files:
        """For a folder that need not exist yet; symbolic links resolved, so that all agree on the socket."""
        return cls(Path(os.path.realpath(var_dir)))

    @cached_property
    def root(self) -> Path:
        return self.var_dir / "postgres"

    @cached_property
    def data(self) -> Path:
        return self.root / "data"

    @cached_property
    def users_lock(self) -> Path:
        """Held shared by every process that uses the server."""
        return self.root / "users.lock"

    @cached_property
    def keeper_lock(self) -> Path:
        """Held exclusively by the keeper; holds its process id."""
        return self.root / "keeper.lock"

    @cached_property
    def hold(self) -> Path:
        """While it exists the keeper keeps the server down; it says how to stop it."""
        return self.root / "hold"

    @cached_property
    def failure(self) -> Path:
        """Why the last keeper gave up."""
        return self.root / "failure"

    @cached_property
    def keeper_log(self) -> Path:
        return self.root / "keeper.log"

    @cached_property
    def server_log(self) -> Path:
        return self.root / "server.log"

    @property
    def socket_dir(self) -> Path:
        """Inside `root` if the kernel and libpq (which splits at commas) can take it, else a short one."""
        inside = str(self.root / "socket")
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_DIR and not set(inside) & set(",\"'\\"):
            return Path(inside)
        digest = hashlib.sha256(os.fsencode(self.var_dir)).hexdigest()[:16]
        return SHORT_DIR / f"tallygate-{os.getuid()}-{digest}"

    def make_root(self) -> None:
        """Make the folder. Raises EmbeddedPostgresError if that can't be."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if not os.access(self.root, os.W_OK | os.X_OK):
                raise PermissionError("Permission denied")
        except OSError as error:
            reason = error.strerror or str(error)
            raise EmbeddedPostgresError(f"VAR_DIR: cannot write to {self.root}: {reason}") from None

    def server_pid(self) -> int | None:
        """The postmaster's process id, if it lives and is ours; the file alone may be stale."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n", 1)[0])
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if os.fsencode(self.data) in command.split(b"\0") else None

    def keeper_pid(self) -> int | None:
        """The living keeper's process id."""
        if not self.keeper_lock.exists():
            return None
        descriptor = try_lock(self.keeper_lock, fcntl.LOCK_SH)
        if descriptor is not None:
            os.close(descriptor)
            return None
        try:
            return int(self.keeper_lock.read_text())
        except ValueError:  # it has the lock and is about to write
            return None

    def read_failure(self) -> str | None:
        """Why the last keeper gave up, if it did."""
        try:
            return self.failure.read_text()
        except FileNotFoundError:
            return None

    def log_tail(self) -> str:
        """The last lines that server and keeper wrote, as one line."""
        for log in (self.server_log, self.keeper_log):
            try:
                lines = [
                    line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()
                ]
            except OSError:
                continue
            if lines:
                return " | ".join(lines[-3:])
        return f"nothing in {self.root}"
