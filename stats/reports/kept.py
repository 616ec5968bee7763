"""Merges that this process has made before: of rows that have not changed since, they need not be made again.

A merge of a month takes a row for each day and hour of a route, and the next reader asks for the same. What
a merge was made of is known by its rows' `xmin`, the transaction that wrote each: a row that is written again
has a later one, so the sum over the same rows is the same only if none was. Nothing out of date is ever
served; what is kept only saves time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from stats.reports.figures import Merged

ENTRIES = 2_000  # of some 4 kB each

_kept: OrderedDict[Hashable, tuple[bytes, bytes, bool]] = OrderedDict()
_lock = threading.Lock()


def get(key: Hashable) -> Merged | None:
    """A merge of the caller's own; None if it is not kept."""
    with _lock:
        found = _kept.get(key)
        if found is None:
            return None
        _kept.move_to_end(key)
    return Merged.from_parts(*found)


def put(key: Hashable, merged: Merged) -> None:
    """Keeps what it is now; the one that was not asked for the longest goes."""
    parts = merged.to_parts()
    with _lock:
        _kept[key] = parts
        _kept.move_to_end(key)
        while len(_kept) > ENTRIES:
            _kept.popitem(last=False)


def forget() -> None:
    with _lock:
        _kept.clear()
