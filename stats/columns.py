"""Events as columns of numbers, and those grouped: what a rollup adds up, many events at a time.

`Keys` says which rows they belong to, `Columns` what they add there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.events import TrafficEvent
from stats.estimators import Hashes, Values, parse_hashes

Key = tuple[Any, ...]  # (hours since the epoch,), or with the route

CLASSES = 6  # of a status: 1xx is number 1, 5xx number 5


class Group(NamedTuple):
    """What some events add to a row. Times are milliseconds.

    A tuple, as one is made for each row: a frozen dataclass takes three times as long.
    """

    requests: int
    status_classes: Sequence[int]  # requests of each class; number 0 is unused
    response_bytes: int
    response_time_sum: float
    response_time_min: float
    response_time_max: float
    response_times: Values
    clients: Hashes  # of each event, repeated as they came

    @property
    def errors(self) -> int:
        return self.status_classes[4] + self.status_classes[5]


class Columns:
    """The figures of some events, at least one, that were validated (`gateway.events`)."""

    def __init__(self, events: Sequence[TrafficEvent]) -> None:
        self.times = np.array([event.response_time for event in events], dtype=np.float64)
        self.classes = np.array([event.status for event in events], dtype=np.int64) // 100
        self.sizes = np.array([event.response_bytes for event in events], dtype=np.int64)
        self.clients = parse_hashes([event.client_ip_hash for event in events])

    def grouped(self, numbers: NDArray[np.int64], count: int) -> list[Group]:
        """The events in `count` groups, by the number of each one's group; none may be empty."""
        order = np.argsort(numbers, kind="stable")
        starts = np.searchsorted(numbers[order], np.arange(count))
        ends = [*starts[1:].tolist(), len(numbers)]
        times, clients = self.times[order], self.clients[order]
        short = times.astype(np.float32)
        classes = np.bincount(numbers * CLASSES + self.classes, minlength=count * CLASSES)
        columns = zip(
            starts.tolist(),
            ends,
            classes.reshape(count, CLASSES).tolist(),
            np.add.reduceat(self.sizes[order], starts).tolist(),
            np.add.reduceat(times, starts).tolist(),
            np.minimum.reduceat(times, starts).tolist(),
            np.maximum.reduceat(times, starts).tolist(),
            strict=True,
        )
        return [
            Group(end - start, by_class, size, total, least, most, short[start:end], clients[start:end])
            for start, end, by_class, size, total, least, most in columns
        ]


class Keys:
    """Which hour, and which route and hour, each event belongs to: by its place among the distinct ones.

    As numbers: thousands of tuples take longer, and set off the garbage collector.
    """

    def __init__(self, hours: NDArray[np.int64], routes: Sequence[str]) -> None:
        distinct_hours, self.hour_places = np.unique(hours, return_inverse=True)
        self.hours: list[int] = distinct_hours.tolist()
        # In this order, so that two writers could never wait for each other.
        names = sorted(set(routes))
        numbers = {name: number for number, name in enumerate(names)}
        route_places = np.array([numbers[route] for route in routes])
        pairs, first, self.places = np.unique(
            self.hour_places * len(names) + route_places, return_index=True, return_inverse=True
        )
        self.distinct: list[Key] = [
            (self.hours[pair // len(names)], names[pair % len(names)]) for pair in pairs.tolist()
        ]
        self._first = first

    @property
    def as_they_came(self) -> list[Key]:
        """The distinct ones by their first event."""
        return [self.distinct[place] for place in np.argsort(self._first).tolist()]
