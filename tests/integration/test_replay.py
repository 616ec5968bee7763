"""What the collector took during an outage reaches the queue as it was, and is counted once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from django_q.models import OrmQ, Schedule

from gateway.events import TrafficEvent, encode, split_batch
from gateway.models import QueuedBatch
from gateway.queue import QueueRefused
from legacy_collector import replay as replay_module
from legacy_collector.collector import collect, pending
from legacy_collector.models import CollectedEvent
from legacy_collector.replay import SCHEDULED, recall, replay, replay_scheduled
from legacy_collector.retention import occupancy
from legacy_collector.schedule import create_schedule
from stats.consumer import drain
from stats.models import Event, PathStatsHourly

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture(autouse=True)
def _settings(store: None, settings: Any) -> None:
    occupancy.count()
    settings.TRAFFIC_SEND_TIMEOUT = 0.5


@pytest.fixture
def fall_back(make_event: Callable[..., TrafficEvent]) -> Callable[[int], list[TrafficEvent]]:
    """Events that the queue refused, oldest first."""

    def collect_some(count: int) -> list[TrafficEvent]:
        events = [make_event(path=f"/{'é' if number % 2 else 'a'}/{number}") for number in range(count)]
        assert collect(events, {"fallback"}, replay=True) == count
        return events

    return collect_some


@contextmanager
def queue_locked() -> Iterator[None]:
    """Somebody holds the queue's table, as a migration or a forgotten session does."""
    other = connections["default"].copy()
    try:
        with other.cursor() as cursor:
            other.set_autocommit(False)
            cursor.execute("LOCK TABLE gateway_queuedbatch IN ACCESS EXCLUSIVE MODE")
            yield
            other.rollback()
    finally:
        other.close()


def queued() -> list[bytes]:
    batches = QueuedBatch.objects.order_by("id").values_list("payload", flat=True)
    return [event for payload in batches for event in split_batch(payload)]


def run_command(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    out, err = StringIO(), StringIO()
    try:
        call_command("replay_fallback", *arguments, stdout=out, stderr=err)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_replay_queues_every_event_exactly_as_encoded(fall_back):
    events = fall_back(250)

    assert replay() == 250

    assert queued() == [encode(event) for event in events]
    assert pending() == 0
    assert not CollectedEvent.objects.filter(replayed_at=None).exists()


def test_replayed_twice_an_event_is_queued_once(fall_back):
    fall_back(3)
    replay()

    assert replay() == 0

    assert len(queued()) == 3


def test_events_held_for_other_reasons_are_not_replayed(make_event):
    collect([make_event()], {"dual"}, replay=False)

    assert replay() == 0

    assert queued() == []


def test_more_than_one_hand_over_is_replayed_whole(fall_back, monkeypatch):
    monkeypatch.setattr(replay_module, "EVENTS", 100)
    events = fall_back(250)
    sizes: list[int] = []

    assert replay(progress=sizes.append) == 250

    assert sizes == [100, 100, 50]
    assert queued() == [encode(event) for event in events]


def test_replay_ends_after_its_time(fall_back, monkeypatch):
    monkeypatch.setattr(replay_module, "EVENTS", 10)
    fall_back(30)

    assert replay(limit_seconds=0) == 10

    assert pending() == 20


def test_a_queue_that_refuses_leaves_the_marks(fall_back):
    events = fall_back(3)

    with queue_locked(), pytest.raises(QueueRefused):
        replay()

    assert (pending(), queued()) == (3, [])
    assert replay() == 3
    assert queued() == [encode(event) for event in events]


def test_a_crash_between_queue_and_mark_counts_nothing_twice(fall_back, monkeypatch):
    fall_back(5)

    def crash(keys: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(replay_module, "_unmark", crash)
        with pytest.raises(KeyboardInterrupt):
            replay()
    assert pending() == 5
    replay()

    assert len(queued()) == 10
    totals = drain()
    assert (totals.inserted, totals.duplicates) == (5, 5)
    assert Event.objects.count() == 5
    assert PathStatsHourly.objects.get().requests == 5


def test_an_event_both_queued_and_fallen_back_is_counted_once(send, fall_back):
    events = fall_back(5)
    send(*events)
    drain()

    replay()
    drain()

    assert Event.objects.count() == 5
    assert PathStatsHourly.objects.get().requests == 5


def test_an_event_that_falls_back_again_while_it_is_replayed_is_counted_once(fall_back):
    events = fall_back(5)
    replay()
    collect(events, {"fallback"}, replay=True)

    assert replay() == 5
    drain()

    assert Event.objects.count() == 5


# --- the task --------------------------------------------------------------------------------------


def rung() -> int:
    """Tasks that wait to replay."""
    return sum(task.task["func"] == SCHEDULED for task in OrmQ.objects.all())


def test_the_task_rings_again_while_more_waits(fall_back, monkeypatch):
    monkeypatch.setattr(replay_module, "EVENTS", 10)
    monkeypatch.setattr(replay_module, "SLICE_SECONDS", 0)
    fall_back(20)

    replay_scheduled()
    assert (pending(), rung()) == (10, 1)

    replay_scheduled()
    assert (pending(), rung()) == (0, 1)


def test_a_chain_of_tasks_ends_before_the_schedule_starts_the_next(fall_back, monkeypatch):
    monkeypatch.setattr(replay_module, "EVENTS", 10)
    monkeypatch.setattr(replay_module, "SLICE_SECONDS", 0)
    fall_back(20)

    replay_scheduled(until=0.0)

    assert (pending(), rung()) == (10, 0)


def test_a_refusal_ends_the_task_with_one_line(fall_back, caplog):
    fall_back(3)

    with queue_locked(), caplog.at_level(logging.INFO, "legacy_collector"):
        replay_scheduled()

    lines = [record.getMessage() for record in caplog.records if record.name == "legacy_collector.replay"]
    assert len(lines) == 1
    assert lines[0].startswith("Fallback replay put off: ")
    assert (pending(), rung()) == (3, 0)


def test_the_task_lets_old_events_expire(make_event):
    collect([make_event()], {"dual"}, replay=False)
    CollectedEvent.objects.update(collected_at=datetime(2001, 1, 1, tzinfo=UTC))

    replay_scheduled()

    assert not CollectedEvent.objects.exists()


def test_migrate_schedules_the_task_each_minute():
    Schedule.objects.all().delete()

    call_command("migrate", "legacy_collector", verbosity=0)

    row = Schedule.objects.get(func=SCHEDULED)
    assert (row.name, row.schedule_type, row.minutes) == ("Replay fallback events", Schedule.MINUTES, 1)


def test_migrating_again_leaves_an_operators_changes():
    create_schedule(using="default")
    Schedule.objects.filter(func=SCHEDULED).update(name="mine", minutes=7, repeats=0)

    create_schedule(using="default")

    row = Schedule.objects.get(func=SCHEDULED)
    assert (row.name, row.minutes, row.repeats) == ("mine", 7, 0)


def test_the_collectors_own_database_gets_no_schedule():
    create_schedule(using="legacy")

    assert "django_q_schedule" not in connections["legacy"].introspection.table_names()


# --- the command -----------------------------------------------------------------------------------


def test_the_command_says_what_it_replayed(fall_back):
    fall_back(3)

    assert run_command() == (0, "Replayed 3 events; 0 still wait.\n", "")


def test_the_command_prints_json(fall_back):
    fall_back(3)

    code, out, err = run_command("--json")

    assert (code, json.loads(out), err) == (0, {"replayed": 3, "waiting": 0, "error": None}, "")


def test_the_command_fails_in_one_line_when_the_queue_refuses(fall_back):
    fall_back(3)

    with queue_locked():
        code, out, err = run_command()

    assert (code, out) == (1, "Replayed 0 events; 3 still wait.\n")
    assert err.startswith("error: the queue refused: ")
    assert err.count("\n") == 1


def test_the_command_fails_in_one_line_when_the_collector_cannot_be_read():
    name = connections["legacy"].settings_dict["NAME"]
    connections["legacy"].close()
    connections["legacy"].settings_dict["NAME"] = "/nowhere/collector.sqlite3"
    try:
        code, out, _ = run_command("--json")
    finally:
        connections["legacy"].close()
        connections["legacy"].settings_dict["NAME"] = name

    error = "the legacy collector refused: unable to open database file"
    assert (code, json.loads(out)) == (1, {"replayed": 0, "waiting": None, "error": error})


# --- mode legacy -----------------------------------------------------------------------------------


@pytest.fixture
def collected_in_legacy(make_event: Callable[..., TrafficEvent]) -> list[TrafficEvent]:
    events = [make_event() for _ in range(5)]
    collect(events, {"legacy"}, replay=False)
    return events


def test_what_mode_legacy_collected_is_replayed_once_another_is_in_force(collected_in_legacy, settings):
    settings.STATS_MODE = "legacy"
    replay_scheduled(until=0)
    assert (queued(), pending()) == ([], 0)

    settings.STATS_MODE = "queue"
    replay_scheduled(until=0)
    assert queued() == [encode(event) for event in collected_in_legacy]
    replay_scheduled(until=0)
    assert len(queued()) == 5
    drain()
    assert Event.objects.count() == 5


def test_what_the_queue_had_too_is_not_recalled(make_event, collected_in_legacy):
    both = [make_event() for _ in range(3)]
    collect(both, {"dual"}, replay=False)
    collect(both[:1], {"legacy"}, replay=False)
    assert recall() == 5
    assert recall() == 0
    assert pending() == 5


def test_it_stays_where_that_is_wanted(collected_in_legacy, settings):
    settings.STATS_REPLAY_LEGACY = False
    replay_scheduled(until=0)
    assert (queued(), pending()) == ([], 0)


def test_in_mode_legacy_nothing_is_replayed_by_the_clock_but_by_hand(fall_back, settings):
    events = fall_back(3)
    settings.STATS_MODE = "legacy"
    replay_scheduled(until=0)
    assert (queued(), pending()) == ([], 3)
    assert run_command()[0] == 0
    assert queued() == [encode(event) for event in events]


def test_a_recall_that_is_cut_short_goes_on_later(collected_in_legacy, monkeypatch):
    monkeypatch.setattr(replay_module, "EVENTS", 2)
    assert recall(limit_seconds=0) == 2
    assert recall() == 3
