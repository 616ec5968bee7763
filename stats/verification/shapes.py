"""What a verification found."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

BOTH_WAYS = ("dual", "sample")  # modes in which each side has to have what the other has


WAITING, DEAD, NOWHERE = PLACES = ("waiting to be replayed", "dead letters", "nowhere")


class Verdict(StrEnum):
    HOLDS = "holds"
    FAILS = "does not hold"
    UNKNOWN = "not enough data"


class Basis(StrEnum):
    """How an hour was compared."""

    IDS = "ids"
    COUNTS = "counts"  # of routes, since one side has no ids any more
    NONE = "nothing"


class Hour(msgspec.Struct, kw_only=True):
    """One hour (UTC), or the part of it in which one mode was in force."""

    hour: datetime
    mode: str
    sample_rate: float
    basis: Basis = Basis.IDS
    queue: int = 0  # events that were compared
    collector: int = 0
    missing_in_queue: int = 0
    missing_in_collector: int = 0
    altered: int = 0  # of the missing ones, those that both sides have at the same millisecond
    verdict: Verdict = Verdict.UNKNOWN

    @property
    def compared(self) -> int:
        """Requests of which both sides should know."""
        if self.mode not in BOTH_WAYS:
            return self.collector  # which has what the queue path has to have, but not the other way round
        return max(self.queue + self.missing_in_queue, self.collector + self.missing_in_collector)

    @property
    def error(self) -> float:
        """Share of them that one side lacks."""
        wrong = self.missing_in_queue + self.missing_in_collector
        return wrong / self.compared if self.compared else 0.0


class Route(msgspec.Struct, kw_only=True):
    """A route that the two sides count differently."""

    route: str
    queue: int = 0
    collector: int = 0
    missing_in_queue: int = 0
    missing_in_collector: int = 0

    @property
    def difference(self) -> int:
        return max(abs(self.queue - self.collector), self.missing_in_queue, self.missing_in_collector)


class RollupMismatch(msgspec.Struct, kw_only=True):
    """An hour whose statistics say something else than its rows."""

    hour: datetime
    rows: int
    totals: int
    routes: int


class Inside(msgspec.Struct, kw_only=True):
    """What the queue path alone says of itself."""

    rows: int = 0
    duplicates: int = 0
    mismatches: list[RollupMismatch] = []
    gaps: list[datetime] = []  # hours without traffic between hours with it
    dead_letters: int = 0  # events of this time that wait for a person
    fallback_waiting: int = 0  # in the collector, to be replayed


class Report(msgspec.Struct, kw_only=True):
    """All of it. Times are UTC; `tolerance` and `error` are shares, 0.01 is 1 %."""

    since: datetime
    until: datetime
    made_at: datetime
    seconds: float
    tolerance: float
    verdict: Verdict
    error: float | None  # None where nothing could be compared
    findings: list[str]
    hours: list[Hour]
    routes: list[Route]
    missing_in_queue: list[str]  # ids, the first of them
    missing_in_collector: list[str]
    explained: dict[str, int]  # of those missing in the queue path, by where they are
    inside: Inside

    @property
    def explanation(self) -> str:
        """Where those are that are missing in the queue path, in words."""
        return ", ".join(f"{self.explained.get(place, 0):,} {place}" for place in PLACES)
