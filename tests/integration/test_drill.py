"""A drill has real events fall back in one process, and all of them are counted in the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connections

from gateway import delivery, drills, sender
from gateway.events import TrafficEvent
from gateway.models import FallbackDrill, QueuedBatch
from legacy_collector.models import CollectedEvent
from stats import drill
from stats.consumer import drain
from stats.models import Event
from tests.integration.processes import wait_for

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
    pytest.mark.usefixtures("store"),
]
Make = Callable[..., TrafficEvent]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path, settings) -> None:
    settings.VAR_DIR = tmp_path
    monkeypatch.setattr(delivery, "DRILL_SECONDS", 0.1)
    monkeypatch.setattr(drill, "POLL_SECONDS", 0.05)


@pytest.fixture
def traffic(fresh_sender, make_event: Make) -> Iterator[list[TrafficEvent]]:
    """Requests all the while, in this process, and a consumer that counts them."""
    sent: list[TrafficEvent] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.02):
            sent.append(make_event())
            sender.current.submit(sent[-1])

    def consume() -> None:
        while not done.wait(0.1):
            drain()
        connections.close_all()

    threads = [threading.Thread(target=ask), threading.Thread(target=consume)]
    for thread in threads:
        thread.start()
    yield sent
    done.set()
    for thread in threads:
        thread.join()


def test_what_falls_back_in_a_drill_is_counted(traffic):
    said: list[str] = []

    outcome = drill.run(1.0, "ann", said.append)

    assert outcome.holds, outcome
    assert outcome.fallen_back == outcome.counted > 10
    row = FallbackDrill.objects.get()
    assert (row.fallen_back, row.requested_by) == (outcome.fallen_back, "ann")
    assert row.verified_at is not None
    assert "its queue refuses for 1 s" in said[1]


def test_after_it_the_queue_takes_events_again(traffic):
    drill.run(0.5, "ann")
    count = len(traffic)
    wait_for(lambda: len(traffic) > count + 20, 10)
    last = traffic[count + 10].idempotent_id
    wait_for(lambda: Event.objects.filter(pk=last).exists(), 10)
    assert not CollectedEvent.objects.filter(pk=last).exists()


def test_without_traffic_it_does_not_hold(monkeypatch):
    monkeypatch.setattr(drill, "TAKEN_SECONDS", 0.3)
    outcome = drill.run(1.0, "ann")
    assert (outcome.holds, outcome.error) == (False, "no process began it: there was nothing to send")


def test_one_process_takes_it():
    drills.request(5.0, "ann")
    assert drills.take() is not None
    assert drills.take() is None


def test_a_request_that_nobody_took_is_over_after_a_while():
    drills.request(5.0, "ann")
    with connections["default"].cursor() as cursor:
        cursor.execute("UPDATE gateway_fallbackdrill SET requested_at = now() - interval '5 minutes'")
    assert drills.take() is None


@pytest.mark.parametrize("seconds", ["0", "61", "nan"])
def test_a_wrong_length_is_named(seconds):
    with pytest.raises(CommandError, match=r"seconds: .* is not above 0, at most 60") as caught:
        call_command("fallback_drill", "--seconds", seconds)
    assert caught.value.returncode == 2
    assert not FallbackDrill.objects.exists()


def test_a_refused_batch_is_said_to_be_a_drill(fresh_sender, make_event, caplog):
    drills.request(5.0, "ann")
    fresh_sender.start = lambda: None
    fresh_sender.submit(make_event())
    started = time.monotonic()
    fresh_sender.flush()
    assert time.monotonic() - started < 2
    assert "Queue refused 1 events: fallback drill" in caplog.text
    assert not QueuedBatch.objects.exists()
    assert CollectedEvent.objects.get().replay_pending
