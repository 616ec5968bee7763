"""An alert begins once and ends once, whatever the values and the clock do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stats.alerts.machine import Bounds, Message, Phase, State, step, switch_off
from stats.models import AlertDelivery, AlertState

NOON = datetime(2025, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BOUNDS = Bounds(fires_at=10, clears_at=5, hold=3 * MINUTE, clear=2 * MINUTE, cool_down=5 * MINUTE)
WELL, BETWEEN, BAD = 1.0, 7.0, 20.0


@dataclass
class Run:
    """Looks one after the other; `said` are the messages with the minutes that had really passed."""

    bounds: Bounds = BOUNDS
    now: datetime = NOON
    passed: timedelta = timedelta()
    state: State = field(default_factory=lambda: State(Phase.OK, NOON))
    said: list[tuple[float, Message]] = field(default_factory=list)

    def look(self, value: float | None, after: timedelta = MINUTE, back: timedelta = timedelta()) -> Phase:
        self.passed += after
        self.now += after - back
        self.state, message = step(self.state, self.bounds, value, self.now)
        if message is not None:
            self.said.append((self.passed / MINUTE, message))
        return self.state.phase

    def looks(self, *values: float | None) -> list[str]:
        return [self.look(value).value for value in values]


def test_it_fires_once_the_bound_was_reached_for_long_enough():
    run = Run()
    assert run.looks(BAD, BAD, BAD, BAD) == ["pending", "pending", "pending", "firing"]
    assert run.said == [(4.0, Message.FIRED)]


def test_what_is_well_again_before_that_never_fires():
    run = Run()
    assert run.looks(BAD, BAD, BETWEEN, BAD, BAD, BAD) == [
        *("pending", "pending", "ok"),
        *("pending", "pending", "pending"),
    ]
    assert run.said == []


def test_it_ends_once_it_was_well_for_long_enough():
    run = Run()
    run.looks(*[BAD] * 9)
    assert run.looks(BETWEEN, WELL, BETWEEN, WELL, WELL, WELL) == [
        *("firing", "clearing", "firing"),
        *("clearing", "clearing", "ok"),
    ]
    assert run.said == [(4.0, Message.FIRED), (15.0, Message.RESOLVED)]


def test_what_comes_back_within_the_cool_down_is_the_same_alert():
    run = Run(Bounds(10, 5, hold=timedelta(), clear=timedelta(), cool_down=10 * MINUTE))
    assert run.looks(BAD, WELL, WELL, BAD, WELL) == ["firing", "clearing", "clearing", "firing", "clearing"]
    assert run.looks(*[WELL] * 6)[-1] == "ok"
    assert run.said == [(1.0, Message.FIRED), (11.0, Message.RESOLVED)]
    assert run.looks(*[BAD] * 10)[-2:] == ["pending", "firing"]


def test_what_is_not_known_neither_fires_nor_clears():
    run = Run()
    run.looks(BAD)
    assert run.looks(*[None] * 30) == ["pending"] * 30
    assert run.looks(BAD, *[None] * 30, WELL) == ["firing"] * 31 + ["clearing"]
    assert run.looks(*[None] * 30) == ["clearing"] * 30
    assert [message for _, message in run.said] == [Message.FIRED]


def test_without_hold_and_cool_down_one_look_is_enough():
    run = Run(Bounds(1, 0, timedelta(), timedelta(), timedelta()))
    assert run.looks(1, 0, 1, 0) == ["firing", "ok", "firing", "ok"]


@pytest.mark.parametrize("value", [BAD, WELL])
def test_a_rule_that_is_switched_off_ends_its_alert_as_soon_as_a_message_may_be_sent(value):
    run = Run()
    run.looks(BAD, BAD, BAD, BAD, value)
    state, message = switch_off(run.state, BOUNDS, run.now)
    assert (state.phase.is_open, message) == (True, None)
    state, message = switch_off(state, BOUNDS, run.now + 5 * MINUTE)
    assert (state.phase, message) == (Phase.OK, Message.RESOLVED)
    assert switch_off(state, BOUNDS, run.now + 6 * MINUTE) == (state, None)


def test_the_words_are_those_of_the_tables():
    assert set(AlertState.Phase.values) == {phase.value for phase in Phase}
    assert {message.value for message in Message} < set(AlertDelivery.Kind.values)


# --- whatever comes ------------------------------------------------------------------------------------

minutes = st.integers(0, 30).map(lambda number: number * MINUTE)
all_bounds = st.builds(
    Bounds, st.just(10.0), st.floats(0, 9.5), hold=minutes, clear=minutes, cool_down=minutes
)
values = st.one_of(st.none(), st.floats(0, 20), st.sampled_from([0.0, 9.5, 10.0]))
steps = st.lists(
    st.tuples(
        values,
        st.timedeltas(timedelta(), timedelta(minutes=10)),
        st.sampled_from([timedelta()] * 6 + [MINUTE, timedelta(hours=2)]),
    ),
    max_size=60,
)


@given(all_bounds, steps)
def test_each_firing_is_ended_by_exactly_one_message(bounds, taken):
    run = Run(bounds)
    for one in taken:
        run.look(*one)
    kinds = [message for _, message in run.said]
    assert kinds == [Message.FIRED, Message.RESOLVED] * (len(kinds) // 2) + [Message.FIRED] * (len(kinds) % 2)
    assert run.state.phase.is_open == (len(kinds) % 2 == 1)


@given(all_bounds, steps)
def test_two_messages_never_come_within_the_cool_down_even_if_the_clock_is_set_back(bounds, taken):
    run = Run(bounds)
    for one in taken:
        run.look(*one)
    times = [at for at, _ in run.said]
    apart = [later - earlier for earlier, later in pairwise(times)]
    assert all(pause >= bounds.cool_down / MINUTE - 1e-6 for pause in apart)


@given(all_bounds, steps, st.lists(st.floats(0.01, 0.99), min_size=1, max_size=20))
def test_between_both_bounds_nothing_begins_nothing_ends_and_nothing_flaps(bounds, taken, shares):
    run = Run(bounds)
    for one in taken:
        run.look(*one)
    said, was_open = list(run.said), run.state.phase.is_open
    between = [bounds.clears_at + share * (bounds.fires_at - bounds.clears_at) for share in shares]
    phases = {run.look(value) for value in between if bounds.clears_at < value < bounds.fires_at}
    assert phases <= {Phase.FIRING if was_open else Phase.OK}
    assert run.said == said


@given(all_bounds, steps)
def test_a_clock_that_is_set_back_delays_and_does_no_more(bounds, taken):
    """After it, whatever was being waited for is still reached."""
    run = Run(bounds)
    for one in taken:
        run.look(*one)
    longest = max(bounds.hold, bounds.clear) + bounds.cool_down + MINUTE
    run.look(BAD)
    assert run.look(BAD, after=longest) is Phase.FIRING
    run.look(-1.0)
    assert run.look(-1.0, after=longest) is Phase.OK


@given(all_bounds, steps)
def test_it_never_fires_unless_the_bound_was_reached_all_the_time_it_must_hold(bounds, taken):
    run = Run(bounds)
    bad_since: timedelta | None = None
    for value, after, back in taken:
        before = len(run.said)
        run.look(value, after, back)
        if value is not None and value < bounds.fires_at:
            bad_since = None
        elif value is not None and bad_since is None:
            bad_since = run.passed
        if len(run.said) > before and run.said[-1][1] is Message.FIRED:
            assert bad_since is not None
            assert run.passed - bad_since >= bounds.hold
