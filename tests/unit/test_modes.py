"""The mode somebody chose last is in force, in every process, and its history says what was when."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import IntegrityError, connections, transaction
from hypothesis import given
from hypothesis import strategies as st

from gateway import asked, modes
from gateway.models import ModeChange
from gateway.modes import InForce, Span, is_sampled

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

NOON = datetime(2025, 11, 23, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _known_anew(store, settings):
    settings.STATS_MODE, settings.STATS_SAMPLE_RATE = "dual", 0.25
    yield
    modes.forget()


def later() -> None:
    """As if the seconds between two looks were over."""
    modes._chosen.expire()


def changed(mode, at, rate=0.01, by="ann"):
    return ModeChange.objects.create(mode=mode, changed_at=at, sample_rate=rate, changed_by=by)


# --- in force ----------------------------------------------------------------------------------------


def test_the_settings_are_in_force_until_somebody_chooses():
    assert modes.in_force() == InForce("dual", 0.25)


def test_what_somebody_chose_is_in_force_whatever_the_settings_say(settings):
    modes.change("sample", 0.05, by="ann")
    assert modes.in_force() == InForce("sample", 0.05)
    settings.STATS_MODE = "legacy"
    assert modes.in_force() == InForce("sample", 0.05)


def test_another_process_knows_within_some_seconds():
    """Here its knowledge alone, as old as it gets."""
    assert modes.in_force().mode == "dual"
    ModeChange.objects.create(mode="queue", changed_by="ann")
    assert modes.in_force().mode == "dual"
    later()
    assert modes.in_force().mode == "queue"
    assert asked.SECONDS < 10


def test_a_rate_that_is_not_given_stays():
    modes.change("sample", 0.05, by="ann")
    modes.change("queue", by="ann")
    assert modes.change("sample", by="ann").sample_rate == 0.05


def test_what_is_known_stays_while_the_database_is_away(monkeypatch):
    modes.change("queue", by="ann")
    assert modes.in_force().mode == "queue"
    monkeypatch.setitem(connections["default"].settings_dict, "HOST", "/nowhere")
    connections["default"].close()
    later()
    assert modes.in_force().mode == "queue"


def test_threads_that_ask_at_once_look_once(django_assert_num_queries):
    later()
    barrier = threading.Barrier(4)
    found = []

    def ask():
        barrier.wait()
        found.append(modes.in_force().mode)
        connections.close_all()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["dual"] * 4


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_that_was_forked_while_its_parent_asked_can_ask_itself():
    with modes._chosen._known.lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if modes._chosen._known.lock.acquire(blocking=False) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --- changes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "rate", "message"),
    [
        ("both", None, "mode: 'both' is none of legacy, dual, sample, queue"),
        ("sample", 0, "sample_rate: 0 is no share from 1e-06 to 1"),
        ("sample", 1.1, "sample_rate: 1.1 is no share from 1e-06 to 1"),
        ("sample", float("nan"), "sample_rate: nan is no share from 1e-06 to 1"),
    ],
)
def test_a_wrong_choice_is_named_and_changes_nothing(mode, rate, message):
    with pytest.raises(ValueError) as caught:
        modes.change(mode, rate, by="ann")
    assert str(caught.value) == message
    assert modes.in_force() == InForce("dual", 0.25)


def test_the_database_takes_no_wrong_row_either():
    for values in ({"mode": "both"}, {"mode": "sample", "sample_rate": 2}):
        with pytest.raises(IntegrityError), transaction.atomic():
            ModeChange.objects.create(changed_by="ann", **values)


def test_the_history_begins_with_what_the_settings_said():
    modes.change("queue", by="ann", note="verified for a week")
    assert [(row.mode, row.changed_by, row.note) for row in ModeChange.objects.order_by("id")] == [
        ("dual", "", "STATS_MODE"),
        ("queue", "ann", "verified for a week"),
    ]


def test_the_settings_are_noted_once_each_time_they_change_and_no_more_once_somebody_chose(settings):
    modes.note_setting()
    modes.note_setting()
    settings.STATS_MODE = "legacy"
    modes.note_setting()
    modes.change("queue", by="ann")
    settings.STATS_MODE = "dual"
    modes.note_setting()
    assert [row.mode for row in ModeChange.objects.order_by("id")] == ["dual", "legacy", "queue"]


# --- sampling ----------------------------------------------------------------------------------------

ids = st.builds(lambda digest: f"1763925000123-{digest:08x}", st.integers(0, 2**32 - 1))


@given(ids, st.floats(1e-6, 1), st.floats(1e-6, 1))
def test_a_greater_share_holds_all_of_a_smaller_one(event_id, one, other):
    small, great = sorted((one, other))
    assert is_sampled(event_id, great) or not is_sampled(event_id, small)
    assert is_sampled(event_id, 1.0)


@pytest.mark.parametrize(
    ("digits", "rate", "sampled"),
    [
        ("00000000", 1e-6, True),
        ("028f5c28", 0.01, True),
        ("028f5c29", 0.01, False),
        ("fd70a3d8", 0.99, False),
        ("ffffffff", 1.0, True),
    ],
)
def test_a_share_is_the_same_in_every_process(digits, rate, sampled):
    assert is_sampled(f"1763925000123-{digits}", rate) == sampled


def test_a_share_is_as_large_as_it_says(make_event):
    events = [make_event() for _ in range(20_000)]
    sampled = sum(is_sampled(event.idempotent_id, 0.1) for event in events)
    assert 1_800 < sampled < 2_200


@pytest.mark.parametrize(
    ("mode", "collected"), [("legacy", True), ("dual", True), ("queue", False), ("sample", False)]
)
def test_a_mode_says_whether_the_collector_gets_an_event(mode, collected):
    assert InForce(mode, 0.5).is_collected("1763925000123-80000000") == collected
    assert InForce("sample", 0.5).is_collected("1763925000123-7fffffff")


# --- history -----------------------------------------------------------------------------------------


def test_each_span_has_the_mode_that_was_in_force():
    hour = timedelta(hours=1)
    changed("legacy", NOON)
    changed("sample", NOON + 2 * hour, rate=0.05)
    changed("queue", NOON + 5 * hour)

    assert modes.spans(NOON - hour, NOON + 4 * hour) == [
        Span(NOON - hour, NOON, InForce("dual", 0.25)),
        Span(NOON, NOON + 2 * hour, InForce("legacy", 0.01)),
        Span(NOON + 2 * hour, NOON + 4 * hour, InForce("sample", 0.05)),
    ]
    assert modes.spans(NOON + 2 * hour, NOON + 3 * hour) == [
        Span(NOON + 2 * hour, NOON + 3 * hour, InForce("sample", 0.05))
    ]
    assert modes.spans(NOON + 6 * hour, NOON + 6 * hour) == []


@given(
    st.lists(st.tuples(st.integers(0, 100), st.sampled_from(["legacy", "dual", "queue"])), max_size=6),
    st.integers(0, 100),
    st.integers(0, 100),
)
def test_spans_fill_the_time_without_gap_or_overlap(found, one, other):
    changes = [
        ModeChange(mode=mode, changed_at=NOON + timedelta(minutes=minute)) for minute, mode in sorted(found)
    ]
    since, until = (NOON + timedelta(minutes=minute) for minute in sorted((one, other)))
    spans = list(modes._spans([row for row in changes if row.changed_at < until], since, until))
    if since == until:
        assert spans == []
        return
    assert (spans[0].since, spans[-1].until) == (since, until)
    assert all(before.until == after.since for before, after in pairwise(spans))
    assert all(span.since < span.until for span in spans)
