"""Which kinds of repairs there are: each one function that does a bounded chunk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from stats.models import Repair

MODULES = ("stats.letter_repairs", "stats.queue_repairs")  # each registers its kinds when it is loaded


class UnknownKind(LookupError):
    """No module registers a kind of repair of this name."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What one chunk did. `cursor` is JSON from where the next one goes on; None: that was all."""

    done: int
    failed: int = 0  # looked at, and left as they were
    cursor: Any = None


Work = Callable[[Repair], Chunk]


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of repair is carried out, what people call it, and who may ask for it or cancel it."""

    name: str
    title: Any  # translated when it is shown
    permission: str
    work: Work
    count: Callable[[Repair], int | None] | None  # how many there are to do; None where that takes too long
    undone_by: str  # the kind that takes it back, given {"repair": its number}; empty: nothing can


_kinds: dict[str, Kind] = {}


def kind(
    name: str,
    *,
    title: Any,
    permission: str,
    count: Callable[[Repair], int | None] | None = None,
    undone_by: str = "",
) -> Callable[[Work], Work]:
    """Registers a function as what carries out the repairs of this name."""

    def register(work: Work) -> Work:
        _kinds[name] = Kind(name, title, permission, work, count, undone_by)
        return work

    return register


def find(name: str) -> Kind:
    """Raises UnknownKind."""
    _load()
    if name not in _kinds:
        raise UnknownKind(f"kind: {name!r} is none of {', '.join(sorted(_kinds))}")
    return _kinds[name]


def all_kinds() -> list[Kind]:
    _load()
    return list(_kinds.values())


def _load() -> None:
    for module in MODULES:
        import_module(module)
