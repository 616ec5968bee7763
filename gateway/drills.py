"""Fallback drills: on request, one process has its queue refuse for some seconds, so that all can see that
nothing is lost when it really does.

Real events fall back, in a real process: they go to the legacy collector, are replayed, and have to be in the
queue path in the end.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from datetime import UTC, datetime

from django.db import connections

from gateway.conf import conf
from gateway.models import FallbackDrill

logger = logging.getLogger(__name__)

MOST_SECONDS = 60.0
EXPIRY_SECONDS = 120  # a request that nobody took until then is over

_TAKE = """
UPDATE gateway_fallbackdrill SET taken_at = clock_timestamp(), taken_by = %s
WHERE id = (
    SELECT id FROM gateway_fallbackdrill
    WHERE taken_at IS NULL AND requested_at > now() - make_interval(secs => %s)
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, seconds
"""


class Drill:
    """One that this process has taken."""

    def __init__(self, key: int, seconds: float) -> None:
        self.key = key
        self._ends_at = time.monotonic() + seconds
        self.fallen_back = 0

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._ends_at

    def end(self) -> None:
        """Says what it did. Raises django.db.Error; it may be told again."""
        FallbackDrill.objects.using(conf.database).filter(pk=self.key).update(
            ended_at=datetime.now(UTC), fallen_back=self.fallen_back
        )
        logger.warning("Fallback drill %d ended: %d events fell back", self.key, self.fallen_back)


def take() -> Drill | None:
    """The oldest drill that waits for a process. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_TAKE, [f"{socket.gethostname()}, process {os.getpid()}"[:200], EXPIRY_SECONDS])
        row = cursor.fetchone()
    if row is None:
        return None
    key, seconds = row
    logger.warning("Fallback drill %d: this process's queue refuses for %g s", key, seconds)
    return Drill(key, seconds)


def request(seconds: float, by: str) -> FallbackDrill:
    """Asks for one. Raises ValueError that names the argument, and django.db.Error."""
    if not 0 < seconds <= MOST_SECONDS:
        raise ValueError(f"seconds: {seconds!r} is not above 0, at most {MOST_SECONDS:g}")
    return FallbackDrill.objects.using(conf.database).create(seconds=seconds, requested_by=by)
