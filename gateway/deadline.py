"""A bound on how long this side waits for a database.

`statement_timeout` is kept by the server, so a server that hangs does not keep it. This one is kept here:
when the time is up the socket is shut down, which wakes whoever waits on it with an OperationalError.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)


@contextmanager
def deadline(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Cuts `connection` off if the block takes longer. Connects first: that has a time-out of its own."""
    connection.ensure_connection()
    timer = threading.Timer(seconds, _cut, [_socket_of(connection), seconds])
    timer.daemon = True
    try:
        timer.start()
    except RuntimeError:
        # The interpreter is ending and starts no more threads; the exit itself is bounded in time.
        logger.debug("No thread for a deadline; only the server's time-outs hold")
    try:
        yield
    finally:
        timer.cancel()
        timer.args[0].close()  # type: ignore[index]


def _socket_of(connection: BaseDatabaseWrapper) -> socket.socket:
    """The connection's socket under a descriptor of our own: the number may be reused once it is closed."""
    with connection.wrap_database_errors:  # a broken connection raises psycopg's own here
        return socket.socket(fileno=os.dup(connection.connection.pgconn.socket))


def _cut(connected: socket.socket, seconds: float) -> None:
    logger.warning("PostgreSQL did not answer within %.1f s; the connection is cut", seconds)
    with suppress(OSError):  # it may have gone away by itself meanwhile
        connected.shutdown(socket.SHUT_RDWR)
