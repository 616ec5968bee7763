"""Which paths are no traffic."""

from __future__ import annotations

import re
from collections.abc import Iterable


class Exclusions:
    """Path prefixes, and patterns after `re:`, made ready once: each request is looked at.

    A path that begins with none of `roots` is traffic for certain, which is most of them said in one call.
    """

    __slots__ = ("_patterns", "_prefixes", "roots")

    def __init__(self, entries: Iterable[str]) -> None:
        """Raises re.error."""
        entries = tuple(entries)
        # Whole segments, so that `/metrics` takes `/metrics/x` along but not `/metrics-report`.
        self._prefixes = tuple(entry.rstrip("/") + "/" for entry in entries if not entry.startswith("re:"))
        self._patterns = tuple(re.compile(entry[3:]) for entry in entries if entry.startswith("re:"))
        self.roots = ("",) if self._patterns else tuple(prefix[:-1] for prefix in self._prefixes)

    def covers(self, path: str) -> bool:
        """Whether the path is one of the prefixes, lies below one, or matches a pattern."""
        if f"{path}/".startswith(self._prefixes):
            return True
        return bool(self._patterns) and any(pattern.search(path) for pattern in self._patterns)
