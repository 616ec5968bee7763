"""What a run is to do, and what it found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from tests.chaos.drain import PATIENCE_SECONDS, Drain
from tests.chaos.reconcile import Verdict
from tests.chaos.system import TALLYGATE, Kind

DRAIN_SECONDS = 120.0
LONG_CYCLES = 100


@dataclass(frozen=True)
class Plan:
    """What is to be done; the seed decides all that is left to chance."""

    cycles: int
    seed: int
    faults: Sequence[str] = ()
    kind: Kind = TALLYGATE
    drain_seconds: float = DRAIN_SECONDS
    patience: float = PATIENCE_SECONDS

    @property
    def long(self) -> bool:
        return self.cycles >= LONG_CYCLES


@dataclass
class Cycle:
    """One fault and what was measured around it."""

    number: int
    fault: str
    answered: set[str] = field(default_factory=set)
    unanswered: set[str] = field(default_factory=set)
    drain: Drain = field(default_factory=lambda: Drain(0.0, False))
    missed: str = ""  # what hindered the fault
    by_hand: bool = False  # restarted, since nothing moved any more


@dataclass
class Result:
    """A run, also one that was broken off."""

    plan: Plan
    cycles: list[Cycle] = field(default_factory=list)
    verdict: Verdict | None = None  # None: the stores could not be read
    seconds: float = 0.0
    control: Cycle | None = None  # load without a fault, which any system must count
    leftovers: list[str] = field(default_factory=list)
    broken: str = ""

    @property
    def answered(self) -> set[str]:
        """Of all cycles and of the undisturbed load before them."""
        control = [] if self.control is None else [self.control]
        return set().union(*(cycle.answered for cycle in (*control, *self.cycles)))

    @property
    def is_green(self) -> bool:
        """Faults struck, everything drained in time after each, and the reckoning is clean."""
        struck = any(not cycle.missed for cycle in self.cycles)
        drained = all(cycle.drain.is_done for cycle in self.cycles)
        clean = self.verdict is not None and self.verdict.is_clean
        return struck and drained and clean and not self.broken


def deck(random: Random, names: Sequence[str], cycles: int) -> list[str]:
    """Faults in random order, each as often as the others."""
    drawn: list[str] = []
    while len(drawn) < cycles:
        drawn += random.sample(list(names), len(names))
    return drawn[:cycles]
