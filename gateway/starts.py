"""Why a process was started: who starts it says so in its environment, which its children inherit."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from gateway.logs import printable

CAUSE, REASON = "TALLYGATE_START_CAUSE", "TALLYGATE_START_REASON"


class Cause(StrEnum):
    STARTED = "started"  # with the system, or by somebody
    RECYCLED = "recycled"  # the one before had done its share and ended in order
    ENDED = "unexpected end"  # of the one before
    RESTARTED = "restarted by the supervisor"  # which ended the one before, since it hung


@dataclass(frozen=True)
class Start:
    """One start. The reason says more about what was wrong with the one before; empty if nothing was."""

    cause: Cause = Cause.STARTED
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.cause}: {self.reason}" if self.reason else self.cause.value

    def told(self) -> dict[str, str]:
        """Variables for the environment of what is started."""
        return {CAUSE: self.cause.value, REASON: self.reason}

    @classmethod
    def heard(cls, environment: Mapping[str, str]) -> Start:
        """As it was told. A plain start where nobody said anything, or nothing that is known."""
        with suppress(KeyError, ValueError):
            return cls(Cause(environment[CAUSE]), printable(environment[REASON]))
        return cls()
