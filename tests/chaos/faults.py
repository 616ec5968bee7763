"""The catalogue of faults. Each is a generator: it injects before its `yield` and heals after it.

None of them makes dead letters on purpose. Clients keep sending all the while; `Scene.load` is theirs.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from random import Random

from tests.chaos.roles import NotThere, Roles
from tests.chaos.system import System
from tests.integration.processes import wait_for
from tests.load import Load

AWAIT_SECONDS = 10.0  # for the moment at which a fault is to strike


class Missed(Exception):
    """The moment for which a fault waits did not come: it did not strike and proves nothing."""


@dataclass
class Scene:
    """What a fault works on."""

    system: System
    roles: Roles
    load: Load
    cycle: int
    random: Random
    long: bool = False  # a long run: stops are as long as in life

    def await_moment(
        self, condition: Callable[[], object], what: str, seconds: float = AWAIT_SECONDS
    ) -> None:
        """Returns when the moment to strike has come. Raises Missed."""
        if not wait_for(condition, seconds):
            raise Missed(f"{what}: not within {seconds:.0f} s")

    def await_role(self, role: str) -> int:
        """The cluster's process with this role, once there is one. Raises Missed and NotThere."""
        self.await_moment(lambda: self._has(role), role)
        return self.roles.one(role)

    def _has(self, role: str) -> bool:
        try:
            return bool(self.roles.one(role))
        except NotThere:
            return False

    def signal(self, pid: int, signum: int) -> None:
        """Signals a process that may be gone already."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


Steps = Callable[[Scene], Iterator[None]]
FAULTS: dict[str, Callable[[Scene], AbstractContextManager[None]]] = {}


def fault(steps: Steps) -> Steps:
    """Registers a fault under its function's name, with hyphens."""
    FAULTS[steps.__name__.replace("_", "-")] = contextmanager(steps)
    return steps
