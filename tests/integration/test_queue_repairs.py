"""Purge and recovery of the queue in the background: whatever is killed, each event is in one place."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import queue
from gateway.events import TrafficEvent, encode, split_batch
from gateway.models import QueuedBatch
from gateway.queue import Selection
from stats import background, dead_letters, queue_repairs, repairs, withdrawing
from stats.consumer import drain
from stats.models import DeadLetter, Event, Repair
from stats.withdrawing import MOVED, withdraw
from tests.integration.processes import ROOT

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture(autouse=True)
def _nobody_starts(monkeypatch):
    """What is asked for waits until a test carries it out."""
    monkeypatch.setattr(background, "start", lambda *command, **options: True)


def purge(**narrowed: object) -> Repair:
    selection = Selection(before=queue.now(), **narrowed)  # type: ignore[arg-type]
    return repairs.ask(queue_repairs.PURGE, selection.as_parameters(), by="ada", note="a load test")


def carry_out(repair: Repair) -> Repair:
    repairs.carry_out_all()
    repair.refresh_from_db()
    return repair


def places() -> list[str]:
    """The ids of all events, by what holds them: counted, dead or discarded, or still in the queue."""
    counted = list(Event.objects.values_list("idempotent_id", flat=True))
    kept = DeadLetter.objects.exclude(state="redriven").values_list("event_id", flat=True)
    queued = [
        payload.decode().partition('"idempotent_id":"')[2][:22]
        for batch in QueuedBatch.objects.all()
        for payload in split_batch(batch.payload)
    ]
    return sorted([*counted, *kept, *queued])


def test_a_purge_takes_what_was_there_when_it_was_asked_for_and_says_how_much(send, make_event):
    send(*(make_event() for _ in range(150)))
    repair = purge()
    send(make_event())

    carry_out(repair)

    assert (repair.state, repair.done, repair.total, repair.failed) == ("done", 150, 150, 0)
    assert QueuedBatch.objects.count() == 1
    assert set(DeadLetter.objects.values_list("state", "note", "repair")) == {
        ("discarded", "a load test", repair.pk)
    }


def test_a_purge_of_one_kind_leaves_the_others(send, make_event):
    send(make_event())
    (claimed,) = queue.claim()
    queue.retry(claimed, "why", 600)
    send(make_event())

    carry_out(purge(kind="failed"))

    assert [batch.deliveries for batch in QueuedBatch.objects.all()] == [0]
    assert DeadLetter.objects.count() == 1


def test_what_a_consumer_has_in_its_hands_is_left_and_said(send, make_event):
    send(make_event(), make_event())
    queue.claim()
    repair = carry_out(purge())
    assert (repair.state, repair.done, repair.failed) == ("done", 0, 2)
    assert QueuedBatch.objects.count() == 1


def test_what_was_purged_is_recovered_and_counted_but_not_what_was_counted_meanwhile(send, make_event):
    events = [make_event() for _ in range(250)]
    send(*events)
    purged = carry_out(purge())
    send(*events[:100])  # they came once more, by another way
    assert drain().inserted == 100

    recovered = carry_out(repairs.ask(queue_repairs.RECOVER, {"repair": purged.pk}, by="bob"))

    assert (recovered.state, recovered.done, recovered.failed) == ("done", 250, 0)
    drained = drain()
    assert (drained.inserted, drained.duplicates) == (150, 100)
    assert Event.objects.count() == 250
    assert set(DeadLetter.objects.values_list("state", "settled_by")) == {("redriven", "bob")}
    again = carry_out(repairs.ask(queue_repairs.RECOVER, {"repair": purged.pk}, by="bob"))
    assert (again.done, QueuedBatch.objects.count()) == (0, 0)


# --- killed ------------------------------------------------------------------------------------------


def process() -> subprocess.Popen[str]:
    """`carry_out_repairs` on the running test's databases."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), "carry_out_repairs"],
        cwd=ROOT,
        env={
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.app_settings",
            "TALLYGATE_TEST_DATABASE": connections["default"].settings_dict["NAME"],
            "TALLYGATE_TEST_LEGACY": str(connections["legacy"].settings_dict["NAME"]),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_in_the_next_chunk(running: subprocess.Popen[str]) -> bool:
    """SIGKILL while it works on the chunk behind one it has committed; False if it was faster."""
    done = Repair.objects.latest("id").done
    deadline = time.monotonic() + 60
    while Repair.objects.latest("id").done == done and running.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(0.01)
    was_alive = running.poll() is None
    running.kill()
    running.communicate()
    return was_alive


@pytest.mark.slow
def test_a_purge_and_its_recovery_that_are_killed_lose_and_double_nothing(send, make_event):
    events = [make_event() for _ in range(3_500)]
    send(*events)
    expected = sorted(event.idempotent_id for event in events)
    purged = purge()
    for kind in (queue_repairs.PURGE, queue_repairs.RECOVER):
        if kind == queue_repairs.RECOVER:
            repairs.ask(kind, {"repair": purged.pk}, by="ada")
        assert kill_in_the_next_chunk(process())
        repair = Repair.objects.get(kind=kind)
        assert (repair.state, 0 < repair.done < 3_500) == ("running", True)
        assert places() == expected

        carry_out(repair)
        assert (repair.state, repair.done) == ("done", 3_500)
        assert places() == expected

    assert drain().inserted == 3_500
    assert places() == expected


# --- in any order ------------------------------------------------------------------------------------

Fresh = list[TrafficEvent]


def picked(number: int) -> Selection:
    batches = list(QueuedBatch.objects.order_by("id").values_list("id", flat=True))
    return Selection(ids=(batches[number % len(batches)],) if batches else (0,))


def send_some(number: int, fresh: Fresh) -> None:
    some = [fresh.pop() for _ in range(min(1 + number, len(fresh)))]
    queue.send([encode(event) for event in some])


def fail(number: int, fresh: Fresh) -> None:
    for claimed in queue.claim():
        queue.retry(claimed, "why", 600)


def purge_some(number: int, fresh: Fresh) -> None:
    carry_out(purge(ids=picked(number).ids) if number % 2 else purge())


def recover(number: int, fresh: Fresh) -> None:
    last = Repair.objects.filter(kind=queue_repairs.PURGE).last()
    if last is not None:
        carry_out(repairs.ask(queue_repairs.RECOVER, {"repair": last.pk}, by="ada"))


# What a person, a sender or a consumer does, on the batch that a number picks.
STEPS: dict[str, Callable[[int, Fresh], object]] = {
    "send": send_some,
    "claim, and die": lambda number, fresh: queue.claim(),
    "consume": lambda number, fresh: drain(),
    "fail": fail,
    "deliver": lambda number, fresh: queue.deliver_now(picked(number)),
    "move": lambda number, fresh: withdraw(picked(number), MOVED, "ada", ""),
    "purge": purge_some,
    "recover": recover,
    "redrive": lambda number, fresh: dead_letters.redrive(
        DeadLetter.objects.all(), "ada", delay=60.0 * (number % 2)
    ),
    "undo": lambda number, fresh: dead_letters.undo(DeadLetter.objects.all(), "ada"),
}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(STEPS)), st.integers(0, 5)), min_size=3, max_size=14))
def test_in_any_order_every_event_is_counted_once_or_is_in_one_letter(store, make_event, steps):
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "TRUNCATE stats_event, stats_pathstatshourly, gateway_queuedbatch, stats_deadletter, stats_repair"
        )
    pool = [make_event() for _ in range(90)]
    fresh = list(pool)
    for step, number in steps:
        STEPS[step](number, fresh)
        assert places() == sorted(event.idempotent_id for event in pool if event not in fresh)

    QueuedBatch.objects.update(claim=None)  # no lease is waited for
    queue.deliver_now(Selection())
    drain()

    dead = DeadLetter.objects.exclude(state="redriven").count()
    assert Event.objects.count() + dead == len(pool) - len(fresh)
    assert not QueuedBatch.objects.exists()
    assert withdrawing.withdraw(Selection(), MOVED, "ada", "").batches == 0
