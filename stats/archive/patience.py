"""Locks that others wait behind: asked for briefly, given up in time, asked for again after a pause."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from django.db import Error

from stats.archive.errors import Busy
from stats.errors import is_transient, one_line, sqlstate

LOCK_TIMEOUT: Final = "500ms"
PAUSES: Final = (0.5, 1.0, 2.0, 4.0)  # seconds between the tries
LOCK_NOT_AVAILABLE: Final = "55P03"


def patiently(change: Callable[[], None], what: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Calls `change`, a transaction under LOCK_TIMEOUT, until it gets its locks.

    While it waits for a lock, everybody else waits behind it: so it gives up soon, and the pause lets
    them all pass. Raises Busy after the last try, and any other django.db.Error at once.
    """
    for pause in (*PAUSES, None):
        try:
            change()
        except Error as error:
            if sqlstate(error) != LOCK_NOT_AVAILABLE and not is_transient(error):
                raise
            if pause is None:
                raise Busy(f"{what}: the lock was not to be had ({one_line(error)})") from error
            sleep(pause)
        else:
            return
