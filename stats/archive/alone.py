"""One run at a time, on whatever host: archiving, dropping and restoring exclude each other.

The lock belongs to an idle transaction on a connection of its own (a session's lock would not survive a
pooler), which holds nothing else and keeps no row alive. Every step is safe without it, too: it keeps two
runs from doing the same work, not from doing harm.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import Error, connections

from gateway.conf import conf
from stats.archive.errors import Busy

_KEY = "tallygate: archive and retention"


@contextmanager
def alone() -> Iterator[None]:
    """Raises Busy if another run is at work, django.db.Error."""
    connection = connections.create_connection(conf.database)
    try:
        with connection.cursor() as cursor:
            connection.set_autocommit(False)
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [_KEY])
            if not cursor.fetchone()[0]:
                raise Busy("another run of the archive or the retention is at work")
            try:
                yield
            finally:
                # Asked and answered: a connection that is only closed holds its lock for a moment longer.
                with suppress(Error):
                    connection.rollback()
    finally:
        connection.close()
