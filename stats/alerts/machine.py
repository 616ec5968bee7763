"""When an alert begins and when it ends, as a machine of four phases that each look at a value steps.

                 value >= fires_at                    for `hold`
        OK ----------------------------> PENDING ----------------> FIRING   (message: fired)
        OK <---------------------------- PENDING
                 value < fires_at
                                          for `clear`             value <= clears_at
        OK <--------------------------- CLEARING <---------------- FIRING
        (message: resolved)             CLEARING ----------------> FIRING
                                                  value > clears_at

Between `clears_at` and `fires_at` nothing begins and nothing ends. A message is made only once `cool_down`
has passed since the one before, so a change that would need one waits for it: an alert that comes back
meanwhile is the same alert. A value that is not known changes nothing. No Django here, and no clock: `now` is
passed in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum


class Phase(StrEnum):
    OK = "ok"
    PENDING = "pending"
    FIRING = "firing"
    CLEARING = "clearing"

    @property
    def is_open(self) -> bool:
        """Whether there is an alert whose end has not been told."""
        return self in (Phase.FIRING, Phase.CLEARING)


class Message(StrEnum):
    FIRED = "fired"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a rule asks for; `clears_at` is less than `fires_at`."""

    fires_at: float
    clears_at: float
    hold: timedelta
    clear: timedelta
    cool_down: timedelta


@dataclass(frozen=True, slots=True)
class State:
    """A phase, since when, and when the last message was made."""

    phase: Phase
    since: datetime
    told_at: datetime | None = None


Step = tuple[State, Message | None]


def step(state: State, bounds: Bounds, value: float | None, now: datetime) -> Step:
    """The state after a look that found `value` (None: not known), and the message that must be sent."""
    state = _not_ahead(state, now)
    if value is None:
        return state, None
    if state.phase.is_open:
        if value > bounds.clears_at:
            return _in(Phase.FIRING, state, now), None
        clearing = _in(Phase.CLEARING, state, now)
        return _told(Phase.OK, Message.RESOLVED, clearing, bounds, bounds.clear, now)
    if value < bounds.fires_at:
        return _in(Phase.OK, state, now), None
    pending = _in(Phase.PENDING, state, now)
    return _told(Phase.FIRING, Message.FIRED, pending, bounds, bounds.hold, now)


def switch_off(state: State, bounds: Bounds, now: datetime) -> Step:
    """The state of a rule that nobody evaluates any more: an alert that is open ends, and its end is told."""
    state = _not_ahead(state, now)
    if state.phase.is_open:
        return _told(Phase.OK, Message.RESOLVED, state, bounds, timedelta(), now)
    return _in(Phase.OK, state, now), None


def _in(phase: Phase, state: State, now: datetime) -> State:
    return state if state.phase is phase else replace(state, phase=phase, since=now)


def _told(
    phase: Phase, message: Message, state: State, bounds: Bounds, lasting: timedelta, now: datetime
) -> Step:
    """Goes over to `phase` once the state has lasted and a message may be sent; stays as it is until then."""
    is_quiet = state.told_at is not None and now - state.told_at < bounds.cool_down
    if now - state.since < lasting or is_quiet:
        return state, None
    return State(phase, now, told_at=now), message


def _not_ahead(state: State, now: datetime) -> State:
    """The clock was set back: what lies in the future began now. Waits get longer by that, never shorter."""
    told_at = None if state.told_at is None else min(state.told_at, now)
    return replace(state, since=min(state.since, now), told_at=told_at)
