"""Events as columns of numbers, and those grouped: what a rollup adds up, many events at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.events import TrafficEvent
from stats.estimators import Hashes, Values, parse_hashes

CLASSES = 6  # of a status: 1xx is number 1, 5xx number 5


@dataclass(frozen=True, slots=True)
class Group:
    """What some events add to a row. Times are milliseconds."""

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
