"""The process that keeps the embedded PostgreSQL up while somebody uses it, and ends it afterwards.

Exactly one per VAR_DIR (`keeper.lock`). Who uses the server holds `users.lock` shared, and the kernel
drops that lock however a user dies, so nobody can be forgotten. The keeper has no users when it gets
the lock exclusively; it keeps it until it is gone itself, so a user who comes at that moment waits for
the end and then starts a new keeper, instead of being left with a server that goes down.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from gateway.embedded_postgres.files import EmbeddedPostgresError, Files
from gateway.embedded_postgres.server import Server
from gateway.processes import ignore_terminal, try_lock

POLL = 0.2
# A gunicorn with one worker has no user for a moment while it replaces it.
LINGER = 1.0
FIRST_BACKOFF, LAST_BACKOFF = 0.1, 5.0
STEADY = 30.0  # a server that was up this long starts again without backoff
FIRST_ATTEMPTS = 6  # of a server that never came up
LOG_BYTES = 16 * 1024 * 1024


class Keeper:
    """The loop: start, watch, restart, hold down, end."""

    def __init__(self, files: Files) -> None:
        self.files = files
        self.server = Server(files)
        self.stopping = False
        self.backoff = FIRST_BACKOFF
        self.failures = 0
        self.steady = False
        self.started = self.next_start = 0.0

    def run(self) -> None:
        """Return when there is no user left, or on SIGTERM. Raises EmbeddedPostgresError."""
        signal.signal(signal.SIGTERM, self._stop)
        self.server.prepare()
        self.server.await_predecessor()
        alone_since: float | None = None
        try:
            while not self.stopping and self.files.data.exists():
                self._turn(time.monotonic())
                time.sleep(POLL)
                if not self._alone():
                    alone_since = None
                elif alone_since is None:
                    alone_since = time.monotonic()
                elif time.monotonic() - alone_since > LINGER and self._alone(keep=True):
                    return
        finally:
            self.server.stop()

    def _stop(self, signum: int, frame: object) -> None:
        self.stopping = True

    def _alone(self, keep: bool = False) -> bool:
        """Whether nobody uses the server; with `keep`, nobody can begin to until this process is gone."""
        try:
            descriptor = try_lock(self.files.users_lock, fcntl.LOCK_EX)
        except OSError:  # the whole folder was deleted
            return True
        if descriptor is not None and not keep:
            os.close(descriptor)
        return descriptor is not None

    def _turn(self, now: float) -> None:
        self._trim_log()
        if self.files.hold.exists():
            self.server.stop(self.files.hold.read_text().strip() or "fast")
            self.backoff, self.next_start = FIRST_BACKOFF, now
            return
        process = self.server.process
        if process is not None and process.poll() is not None:
            self._died(process.returncode, now)
        if self.server.process is None and now >= self.next_start:
            self.server.start()
            self.started = now
        elif self.server.process is not None and now - self.started > STEADY:
            self.steady, self.backoff, self.failures = True, FIRST_BACKOFF, 0

    def _died(self, code: int, now: float) -> None:
        """Plan the next start, or, when it never came up at all, give up and say why."""
        self.server.process = None
        self.failures += 1
        print(f"the server ended with {code}, next start in {self.backoff:.1f} s", flush=True)
        if self.failures >= FIRST_ATTEMPTS and not self.steady:
            raise EmbeddedPostgresError(f"PostgreSQL does not start: {self.files.log_tail()}")
        self.next_start = now + self.backoff
        self.backoff = min(self.backoff * 2, LAST_BACKOFF)

    def _trim_log(self) -> None:
        """Two logs of bounded size; the server has its file open to append, so it may be cut."""
        log = self.files.server_log
        if log.exists() and log.stat().st_size > LOG_BYTES:
            shutil.copy(log, log.with_suffix(".log.1"))
            os.truncate(log, 0)


def main(var_dir: str) -> int:
    """`python -m gateway.embedded_postgres.keeper VAR_DIR`: returns at once, the keeper goes on by itself."""
    ignore_terminal()
    # A child of nobody: whoever started it need not wait for it, and can't mistake it for a worker.
    if os.fork():
        os._exit(0)
    files = Files.of(Path(var_dir))
    # Probing users hold the lock for an instant; another keeper holds it for good.
    descriptor = try_lock(files.keeper_lock, fcntl.LOCK_EX, seconds=0.5)
    if descriptor is None:
        return 0
    os.truncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    try:
        Keeper(files).run()
    except (EmbeddedPostgresError, OSError) as error:
        draft = files.failure.with_suffix(".new")
        draft.write_text(str(error))
        draft.rename(files.failure)
        print(f"error: {error}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
