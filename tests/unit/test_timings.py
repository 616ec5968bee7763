"""What the running system took is told within a fifth, from all processes and hosts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connections
from hypothesis import given
from hypothesis import strategies as st

from gateway.models import Timing
from gateway.timings import HAND_OVER, LARGEST, Timings, bound_of, quantile, size_of

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]
AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)


def due(one: Timings) -> Timings:
    """As if it had been written long ago."""
    one._written_at = float("-inf")
    return one


@given(st.floats(1e-6, bound_of(LARGEST)))
def test_a_size_is_never_too_low_and_at_most_a_fifth_too_high(seconds):
    bound = bound_of(size_of(seconds))
    assert bound >= seconds * (1 - 1e-9)
    assert bound <= seconds * 1.19 + 1e-12


@pytest.mark.parametrize(("seconds", "size"), [(0.0, 0), (1e-9, 0), (1e-6, 0), (1e9, LARGEST)])
def test_the_ends_hold_all_that_is_beyond(seconds, size):
    assert size_of(seconds) == size


def test_a_quantile_is_over_all_that_processes_wrote():
    for process in (Timings(), Timings()):
        for milliseconds in range(1, 101):
            process.observe(HAND_OVER, milliseconds / 1000)
        due(process).write()

    seconds, count = quantile(HAND_OVER, 0.99, AN_HOUR_AGO)

    assert count == 200
    assert seconds is not None
    assert 0.099 <= seconds <= 0.099 * 1.19
    assert quantile(HAND_OVER, 0.5, AN_HOUR_AGO)[0] <= 0.050 * 1.19
    assert quantile("id", 0.99, AN_HOUR_AGO) == (None, 0)
    assert quantile(HAND_OVER, 0.99, datetime.now(UTC) + timedelta(hours=1)) == (None, 0)


def test_it_is_written_now_and_then_only():
    one = due(Timings())
    one.observe(HAND_OVER, 0.001)
    one.write()
    one.observe(HAND_OVER, 0.001)
    one.write()
    assert Timing.objects.get().count == 1
    due(one).write()
    assert Timing.objects.get().count == 2


def test_what_can_not_be_written_is_kept(monkeypatch):
    one = due(Timings())
    one.observe(HAND_OVER, 0.001)
    with monkeypatch.context() as patch:
        connections["default"].close()
        patch.setitem(connections["default"].settings_dict, "HOST", "/nowhere")
        one.write()
    connections["default"].close()
    due(one).write()
    assert Timing.objects.get().count == 1


def test_a_forked_child_does_not_write_what_its_parent_counted():
    one = Timings()
    one.observe(HAND_OVER, 0.001)
    one.forget()
    due(one).write()
    assert not Timing.objects.exists()
