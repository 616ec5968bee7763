"""What the database knows and a process asks for again every few seconds: a choice that people make."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from django.core.signals import setting_changed
from django.db import connections

from gateway.conf import conf
from gateway.deadline import deadline

logger = logging.getLogger(__name__)

SECONDS = 2.0  # between two looks; with a look's time-out below the 10 s that are promised for a choice

T = TypeVar("T")


class _Known(Generic[T]):
    """What a process knows."""

    def __init__(self, value: T) -> None:
        self.value = value
        self.asked_at = float("-inf")
        self.lock = threading.Lock()


class Asked(Generic[T]):
    """A value by its `look` into the database, at most every few seconds; without one yet, `first`."""

    def __init__(self, look: Callable[[], T], first: T) -> None:
        self._look, self._first = look, first
        self._known = _Known(first)
        _all.add(self)

    @property
    def known(self) -> T:
        """As far as this process knows; asks nobody."""
        return self._known.value

    def now(self) -> T:
        """Asks if it did not lately. Never raises: while the database is away it is what is known."""
        known, moment = self._known, time.monotonic()
        if moment - known.asked_at >= SECONDS and known.lock.acquire(blocking=False):
            try:
                known.asked_at = moment
                self._ask(known)
            finally:
                known.lock.release()
        return known.value

    def _ask(self, known: _Known[T]) -> None:
        connection = connections[conf.database]
        try:
            with deadline(connection, conf.send_timeout):
                known.value = self._look()
        except Exception as error:  # noqa: BLE001  (a database that is away fails in many ways)
            connection.close()
            logger.debug("Not asked for: %s", error)

    def expire(self) -> None:
        """Has the next one ask, whatever it knows."""
        self._known.asked_at = float("-inf")

    def forget(self) -> None:
        """Has this process ask anew; a forked child, too, whose parent may have been asking just then."""
        self._known = _Known(self._first)


_all: WeakSet[Asked[Any]] = WeakSet()


def forget_all(**_: object) -> None:
    """In a forked child, and when a setting changes."""
    for asked in list(_all):
        asked.forget()


setting_changed.connect(forget_all, dispatch_uid="gateway.asked")
os.register_at_fork(after_in_child=forget_all)
