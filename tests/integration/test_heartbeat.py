"""The heartbeat tells of progress, and its signs of life are what the database really knows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from zlib import crc32

import psycopg
import pytest
from django.db import connection
from django.db.models.functions import Now
from django_q.brokers import get_broker
from django_q.models import OrmQ

from stats import bell, heartbeat
from stats.breaker import Breaker
from stats.consumer import drain
from stats.models import ConsumerHeartbeat
from tests.integration.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture(autouse=True)
def nothing_happened(store: None) -> None:
    ConsumerHeartbeat.objects.all().delete()
    OrmQ.objects.all().delete()


@contextmanager
def consumer_session() -> Iterator[psycopg.Connection]:
    """A session like a consumer's in the middle of its transaction."""
    entry = connection.settings_dict
    with psycopg.connect(
        host=entry["HOST"], port=entry["PORT"], user=entry["USER"], dbname=entry["NAME"]
    ) as session:
        session.execute("SELECT pg_advisory_xact_lock(%s)", [crc32(b"traffic-events")])
        yield session
        session.rollback()


def test_before_anything_happened_there_are_no_signs():
    assert heartbeat.signs() == heartbeat.Signs(beat=None, is_due=False, is_busy=False, has_doorbell=False)


def test_each_beat_is_a_new_sign():
    heartbeat.beat()
    first = heartbeat.signs().beat
    assert heartbeat.signs().beat == first
    heartbeat.beat()
    assert heartbeat.signs().beat != first


def test_events_a_second_are_of_a_span_and_of_all_that_left_the_queue():
    heartbeat.beat()
    ConsumerHeartbeat.objects.update(span_at=Now() - timedelta(seconds=10))
    heartbeat.beat(batches=1, events=300, duplicates=150, dead=50)
    assert ConsumerHeartbeat.objects.get().per_second == pytest.approx(50, rel=0.02)
    heartbeat.beat(batches=1, events=1_000)
    assert ConsumerHeartbeat.objects.get().per_second == pytest.approx(50, rel=0.02), "its span has not ended"
    ConsumerHeartbeat.objects.update(span_at=Now() - timedelta(seconds=10))
    heartbeat.beat()
    assert ConsumerHeartbeat.objects.get().per_second == pytest.approx(100, rel=0.02)


def test_an_open_breaker_keeps_the_heartbeat(send: Callable[..., int], make_event: Callable[..., object]):
    breaker = Breaker()
    for origin in range(5):
        breaker.failed(origin, "everything fails", exhausted=False)
    assert breaker.is_open
    send(make_event())
    before = heartbeat.signs().beat

    drain()

    assert heartbeat.signs().beat != before
    assert ConsumerHeartbeat.objects.get().breaker == "open"


def test_work_is_due_while_a_batch_waits(send: Callable[..., int], make_event: Callable[..., object]):
    send(make_event())
    assert heartbeat.signs().is_due
    drain()
    assert not heartbeat.signs().is_due


def test_a_statement_under_way_is_busy_and_a_transaction_whose_process_does_nothing_is_not():
    with consumer_session() as session:
        assert not heartbeat.signs().is_busy
        statement = threading.Thread(target=session.execute, args=["SELECT pg_sleep(1)"])
        statement.start()
        assert wait_for(lambda: heartbeat.signs().is_busy, 2)
        statement.join()
        assert not heartbeat.signs().is_busy


def test_a_doorbell_is_there_until_it_is_acknowledged():
    row = bell.ring()
    assert heartbeat.signs(row).has_doorbell
    ((task_id, _payload),) = get_broker().dequeue()
    assert task_id == row
    assert heartbeat.signs(row).has_doorbell
    get_broker().acknowledge(task_id)
    assert not heartbeat.signs(row).has_doorbell


def test_progress_is_batches_events_and_the_seconds_of_their_transactions(
    send: Callable[..., int], make_event: Callable[..., object]
):
    event = make_event()
    send(event, event, make_event())
    drain()

    progress = ConsumerHeartbeat.objects.get()
    assert (progress.batches, progress.events, progress.duplicates, progress.dead) == (1, 2, 1, 0)
    assert 0 < progress.seconds < 5
    began = progress.started_at
    send(make_event())
    drain()
    again = ConsumerHeartbeat.objects.get()
    assert (again.batches, again.started_at) == (2, began)
    assert again.seconds > progress.seconds


def test_another_worker_process_tells_when_it_began(monkeypatch: pytest.MonkeyPatch):
    heartbeat.beat()
    first = ConsumerHeartbeat.objects.get().started_at
    monkeypatch.setattr(heartbeat, "_started_in", None)
    heartbeat.beat()
    assert ConsumerHeartbeat.objects.get().started_at > first
