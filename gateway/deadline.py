"""A bound on how long this side waits for a database.

`statement_timeout` is kept by the server, so a server that hangs does not keep it. This one is kept here:
when the time is up the socket is shut down, which wakes whoever waits on it with an OperationalError.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)


class Watchdog:
    """One thread a process that cuts what is overdue.

    It is not woken when a deadline is set or met, but sleeps until the first one it knew of: a thread, or a
    wake-up, for each statement would cost more than the statement.
    """

    def __init__(self) -> None:
        self._watched: dict[object, tuple[float, float, int]] = {}
        self._changed = threading.Condition()
        self._looks_at = float("inf")  # when the thread wakes by itself
        self._thread: threading.Thread | None = None

    def watch(self, descriptor: int, seconds: float) -> object:
        """Shuts that socket down in so many seconds, unless `release` comes before; its key."""
        key, until = object(), time.monotonic() + seconds
        with self._changed:
            self._watched[key] = (until, seconds, descriptor)
            if self._thread is None:
                self._start()
            elif until < self._looks_at:
                self._changed.notify()
        return key

    def release(self, key: object) -> None:
        """The time is kept, or over; closes the descriptor given."""
        with self._changed:
            _, _, descriptor = self._watched.pop(key)
            os.close(descriptor)

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="tallygate-deadlines", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The interpreter is ending and starts no more threads; the exit itself is bounded in time.
            logger.debug("No thread for a deadline; only the server's time-outs hold")
        else:
            self._thread = thread

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for key, (until, seconds, descriptor) in list(self._watched.items()):
                    if until <= now:
                        _cut(descriptor, seconds)
                        self._watched[key] = (float("inf"), seconds, descriptor)
                self._looks_at = min((until for until, _, _ in self._watched.values()), default=float("inf"))
                pause = self._looks_at - now
                self._changed.wait(None if pause == float("inf") else pause)


_watchdog = Watchdog()


@contextmanager
def deadline(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Cuts `connection` off if the block takes longer. Connects first: that has a time-out of its own."""
    connection.ensure_connection()
    watchdog = _watchdog
    key = watchdog.watch(_socket_of(connection), seconds)
    try:
        yield
    finally:
        watchdog.release(key)


def _socket_of(connection: BaseDatabaseWrapper) -> int:
    """The connection's socket under a descriptor of our own: the number may be reused once it is closed."""
    with connection.wrap_database_errors:  # a broken connection raises psycopg's own here
        return os.dup(connection.connection.pgconn.socket)


def _cut(descriptor: int, seconds: float) -> None:
    logger.warning("PostgreSQL did not answer within %.1f s; the connection is cut", seconds)
    # Made here only: to make one costs several system calls, and nearly nothing is cut.
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connected:
        connected.shutdown(socket.SHUT_RDWR)  # it may have gone away by itself meanwhile


def _begin_anew() -> None:
    """A forked child has the parent's deadlines but not its thread."""
    global _watchdog
    _watchdog = Watchdog()


os.register_at_fork(after_in_child=_begin_anew)
