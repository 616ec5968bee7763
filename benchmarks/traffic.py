"""Synthetic traffic, hour by hour: each is new to the database."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.reading_traffic import HOUR_MS, events_of_hour


class Hours:
    """Gives hours of events, from the last whole one backwards."""

    def __init__(self, routes: int) -> None:
        self.routes = routes
        self._next = int(time.time() * 1000) // HOUR_MS * HOUR_MS - HOUR_MS

    def take(self, count: int, routes: int | None = None) -> tuple[int, list[Any]]:
        """The first millisecond of an hour, and its events; its day's partition is made."""
        from stats import partitions

        first = self._next
        self._next -= HOUR_MS
        partitions.ensure([partitions.day_of(first)])
        return first, events_of_hour(first, count, routes or self.routes, seed=first // HOUR_MS)
