"""Compares what the clients were told with what the stores say: a pure function and its result."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from tests.chaos.books import Books


@dataclass(frozen=True)
class Verdict:
    """Every answered request is in exactly one of `counted`, `lost` and `waiting`."""

    answered: AbstractSet[str]
    counted: AbstractSet[str]
    lost: AbstractSet[str]  # in no store, or a dead letter only
    waiting: AbstractSet[str]
    doubled: AbstractSet[str]  # answered or not: more than one row
    dead: AbstractSet[str]  # requests that are dead letters, answered or not
    dead_letters: int
    counted_unanswered: int  # counted, though the client saw no answer: neither right nor wrong
    surplus: int = 0
    mismatch: int = 0
    places: dict[str, int] = field(default_factory=dict)  # requests that wait, by place

    @property
    def is_clean(self) -> bool:
        """Nothing lost, doubled, mismatched, dead or still on its way."""
        wrong = self.lost or self.doubled or self.waiting or self.dead_letters
        return not (wrong or self.surplus or self.mismatch)

    def of(self, belongs: Callable[[str], bool]) -> Verdict:
        """The same for some of the requests, by their ids; what belongs to no request is left out."""

        def some(ids: Iterable[str]) -> frozenset[str]:
            return frozenset(request_id for request_id in ids if belongs(request_id))

        dead = some(self.dead)
        return Verdict(
            answered=some(self.answered),
            counted=some(self.counted),
            lost=some(self.lost),
            waiting=some(self.waiting),
            doubled=some(self.doubled),
            dead=dead,
            dead_letters=len(dead),
            counted_unanswered=0,
        )


def reconcile(answered: AbstractSet[str], books: Books) -> Verdict:
    """What became of each answered request.

    One that is a dead letter counts as lost, since no fault makes dead letters on purpose.
    """
    counted = answered & books.counted.keys()
    waits = books.waits
    waiting = (answered - counted) & waits
    dead_letters = books.dead.total()
    return Verdict(
        answered=frozenset(answered),
        counted=frozenset(counted),
        lost=frozenset(answered - counted - waiting),
        waiting=frozenset(waiting),
        doubled=frozenset(request_id for request_id, rows in books.counted.items() if rows > 1),
        dead=frozenset(books.dead.keys() - {""}),
        dead_letters=dead_letters,
        counted_unanswered=len(books.counted.keys() - answered),
        surplus=books.surplus,
        mismatch=books.mismatch,
        places={place: len(ids) for place, ids in books.waiting.items()},
    )
