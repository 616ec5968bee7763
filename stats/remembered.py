"""Summaries that this process wrote last, so that it need not read them again to go on with them.

Each is kept with the version of the row that it was written to: the transaction that wrote it. It is taken
up again only for a row of that same version. So whatever else wrote the row, removed it or made it anew, and
a transaction that ended badly, just means that the row is read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple

from stats.estimators import ClientSummary, LatencySummary

CAPACITY = 4_000  # rows; 1 kB of the many that are small, 10 kB of a busy one


class Summaries(NamedTuple):
    """Of one row."""

    response_times: LatencySummary
    clients: ClientSummary


class Remembered:
    """The rows that were written last. Not for several threads at once."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[Hashable, tuple[Hashable, Summaries]] = OrderedDict()

    def take(self, row: Hashable, version: Hashable) -> Summaries | None:
        """What was written to this version of the row, to be changed and kept again; forgotten until then."""
        kept_version, summaries = self._kept.pop(row, (None, None))
        return summaries if kept_version == version else None

    def keep(self, row: Hashable, version: Hashable, summaries: Summaries) -> None:
        """Remembers what was written; of too many rows, the one that was written longest ago is forgotten."""
        self._kept[row] = (version, summaries)
        self._kept.move_to_end(row)
        if len(self._kept) > self._capacity:
            self._kept.popitem(last=False)
