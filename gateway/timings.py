"""How long things take in the running system: counted by size, by hour, in the database.

What a benchmark says of a machine at rest says little of yours. Each process counts in memory and adds its
counts to the rows of the hour now and then, so that all hosts are in them. A size is a quarter of a doubling:
what is read back is at most 19 % too high, and never too low.
"""

from __future__ import annotations

import logging
import math
import os
import threading
import time
from collections import Counter
from datetime import datetime

from django.db import connections, transaction

from gateway.conf import conf

logger = logging.getLogger(__name__)

ID = "id"  # to make one event, with its id
HAND_OVER = "hand_over"  # to give one batch to the queue, without the linger
CONSUMPTION = "consumption"  # of one batch: a transaction's time, divided by its batches
NAMES = (ID, HAND_OVER, CONSUMPTION)

A_DOUBLING = 4  # sizes
LARGEST = 4 * 30  # a quarter of an hour
FLUSH_SECONDS = 20.0

_ADD = """
INSERT INTO gateway_timing AS timing (hour, name, size, count) VALUES {rows}
ON CONFLICT (hour, name, size) DO UPDATE SET count = timing.count + excluded.count
"""
_SUMS = """
SELECT size, sum(count)::bigint FROM gateway_timing WHERE name = %s AND hour >= %s GROUP BY size ORDER BY size
"""


class Timings:
    """What this process has counted and not yet written."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, int]] = Counter()
        self._lock = threading.Lock()
        self._written_at = time.monotonic()

    def observe(self, name: str, seconds: float) -> None:
        """Counts one. Cheap, but no thing to do for each request."""
        with self._lock:
            self._counts[name, size_of(seconds)] += 1

    def write(self) -> None:
        """Adds what was counted to the database, if it has been some time. Never raises."""
        now = time.monotonic()
        if now - self._written_at < FLUSH_SECONDS:
            return
        self._written_at = now
        with self._lock:
            counts, self._counts = self._counts, Counter()
        if not counts:
            return
        try:
            _add(counts)
        except Exception as error:  # noqa: BLE001  (a database that is away fails in many ways)
            logger.debug("Timings: not written: %s", error)
            with self._lock:
                self._counts.update(counts)

    def forget(self) -> None:
        """In a forked child: what was counted is the parent's to write."""
        self.__init__()  # type: ignore[misc]


def size_of(seconds: float) -> int:
    """The smallest size whose bound is not below it."""
    microseconds = seconds * 1e6
    if microseconds <= 1:
        return 0
    return min(math.ceil(A_DOUBLING * math.log2(microseconds)), LARGEST)


def bound_of(size: int) -> float:
    """Seconds, as much as anything of this size took at most."""
    return float(2 ** (size / A_DOUBLING) / 1e6)


def quantile(name: str, q: float, since: datetime) -> tuple[float | None, int]:
    """Seconds within which the share `q` of them was done since then, and how many there were.

    Raises django.db.Error.
    """
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_SUMS, [name, since])
        sizes = cursor.fetchall()
    total = sum(count for _, count in sizes)
    passed = 0
    for size, count in sizes:
        passed += count
        if passed >= q * total:
            return bound_of(size), total
    return None, 0


def _add(counts: Counter[tuple[str, int]]) -> None:
    rows = sorted(counts.items())  # in one order, so that two processes can't wait for each other
    values = ", ".join(["(date_trunc('hour', now(), 'UTC'), %s, %s, %s)"] * len(rows))
    parameters = [value for (name, size), count in rows for value in (name, size, count)]
    with transaction.atomic(using=conf.database), connections[conf.database].cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '1s'")
        cursor.execute(_ADD.format(rows=values), parameters)


timings = Timings()
os.register_at_fork(after_in_child=timings.forget)
