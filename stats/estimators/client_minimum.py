"""Distinct clients as the 1,000 smallest hashes: an exact set up to there, then a lower bound.

Bottom-k sampling: Bar-Yossef and others, "Counting Distinct Elements in a Data Stream", RANDOM 2002;
Cohen and Kaplan, "Summarizing Data using Bottom-k Sketches", PODC 2007. The smallest ones are kept, not
the first, so that the order of arrival and of merging changes nothing. No estimate is made from them:
this implementation says only what it has seen.
"""

from __future__ import annotations

from stats.estimators.clients import ClientSummary
from stats.estimators.figures import Distinct
from stats.estimators.frame import CLIENT_MINIMUM
from stats.estimators.packed import Hashes, read_hashes, united, write_hashes


class MinimumClients(ClientSummary):
    """The number of clients up to 1,000, then that there are at least so many."""

    kind = CLIENT_MINIMUM
    capacity = 1_000

    def add(self, hashes: Hashes) -> None:
        known = united(self._hashes, hashes)
        self._hashes = known[: self.capacity]
        self.is_exact = self.is_exact and len(known) <= self.capacity

    def _join(self, other: ClientSummary) -> None:
        """A sketch gives no hashes back, only the least number of clients that it stands for."""
        self.add(other._hashes)
        self._floor = max(self._floor, other.estimate().lower)
        self.is_exact = False

    def _approximate(self) -> None:
        self.is_exact = False

    def _estimate(self) -> Distinct:
        least = max(len(self._hashes), self._floor)
        return Distinct(least, least, None, is_exact=False, is_lower_bound=True)

    def _payload(self) -> bytes:
        return write_hashes(self._hashes)

    def _load(self, payload: bytes) -> None:
        self._hashes = read_hashes(payload, self.capacity)
