"""Why a process was started reaches it through the environment, whatever the reason is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.starts import CAUSE, REASON, Cause, Start

REASONS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.builds(Start, st.sampled_from(Cause), REASONS))
def test_what_is_told_is_heard_in_one_printable_line(start: Start):
    heard = Start.heard(start.told())
    assert heard.cause is start.cause
    assert heard.reason.isprintable()
    assert heard.reason == start.reason or not start.reason.isprintable()


@pytest.mark.parametrize(
    "environment", [{}, {CAUSE: "unexpected end"}, {CAUSE: "a cause of another version", REASON: ""}]
)
def test_who_was_told_nothing_that_is_known_was_simply_started(environment):
    assert Start.heard(environment) == Start(Cause.STARTED, "")


def test_a_start_in_words():
    assert str(Start()) == "started"
    assert str(Start(Cause.ENDED, "task queue ended with 137")) == "unexpected end: task queue ended with 137"
