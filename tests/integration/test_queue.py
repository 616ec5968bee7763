"""The queue takes events in one transaction with their doorbell, and hands each batch to one consumer."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone
from django_q.models import OrmQ

from gateway import queue
from gateway.events import decode, encode
from gateway.models import QueuedBatch
from gateway.queue import doorbell
from gateway.queue.transactions import bounded_transaction
from tests.integration.processes import wait_for

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


def test_events_leave_in_batches_of_at_most_a_hundred_with_one_doorbell(send, make_event):
    OrmQ.objects.all().delete()

    assert send(*(make_event() for _ in range(250))) == 3

    assert sorted(QueuedBatch.objects.values_list("events", flat=True)) == [50, 100, 100]
    (bell,) = OrmQ.objects.all()
    assert bell.func() == "stats.tasks.consume"
    assert bell.key == "traffic-events"


def test_a_batch_is_readable_in_sql(send, make_event):
    event = make_event(path="/商品/列表")
    send(event)

    with connection.cursor() as cursor:
        cursor.execute("SELECT payload::json -> 0 ->> 'path' FROM gateway_queuedbatch")
        assert cursor.fetchone() == ("/商品/列表",)
    assert decode(json.dumps(json.loads(QueuedBatch.objects.get().payload)[0])) == event


def test_a_hand_over_rings_only_if_no_doorbell_waits(send, make_event):
    OrmQ.objects.all().delete()
    send(make_event())
    send(make_event())
    assert OrmQ.objects.count() == 1

    OrmQ.objects.update(lock=timezone.now() + timedelta(minutes=5))  # somebody answers it
    send(make_event())
    assert OrmQ.objects.count() == 2


def test_a_doorbell_is_rung_with_a_new_task_every_few_seconds(send, make_event, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(doorbell, "monotonic", lambda: now[0])
    ids = []
    for _ in range(4):
        OrmQ.objects.all().delete()
        send(make_event())
        queue.ring()
        send(make_event())
        (bell,) = OrmQ.objects.all()
        assert bell.lock <= timezone.now()
        ids.append(bell.task_id())
        now[0] += doorbell.TASK_SECONDS / 2

    first, second, third, fourth = ids
    assert first == second != third == fourth


def test_a_doorbell_that_was_taken_back_with_its_batches_is_rung_the_next_time(send, make_event):
    OrmQ.objects.all().delete()
    with transaction.atomic():
        queue.enqueue([("[]", 1)])
        transaction.set_rollback(True)
    send(make_event())

    assert OrmQ.objects.count() == 1


def test_batches_and_doorbell_commit_together_or_not_at_all(store, make_event):
    OrmQ.objects.all().delete()
    with transaction.atomic():
        queue.enqueue([("[]", 1)])
        transaction.set_rollback(True)

    assert not QueuedBatch.objects.exists()
    assert not OrmQ.objects.exists()


def test_a_refused_send_leaves_a_connection_that_works(store, make_event, settings):
    settings.TRAFFIC_SEND_TIMEOUT = 0.3
    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("LOCK TABLE gateway_queuedbatch IN ACCESS EXCLUSIVE MODE")
    started = time.monotonic()
    try:
        with pytest.raises(queue.QueueRefused):
            queue.send([encode(make_event())])
    finally:
        other.close()
    assert time.monotonic() - started < 1.0

    assert queue.send([encode(make_event())]) == 1
    assert QueuedBatch.objects.count() == 1


def test_a_session_that_died_while_it_lay_idle_is_replaced_at_once(send, make_event):
    send(make_event())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()

    assert send(make_event()) == 1
    assert QueuedBatch.objects.count() == 2


def test_a_read_only_database_refuses(store, make_event):
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        with pytest.raises(queue.QueueRefused, match="read-only"):
            queue.send([encode(make_event())])
    finally:
        connections["default"].close()


def test_an_exhausted_pool_refuses(store, make_event, monkeypatch):
    """Django's own connection pool, with all of its connections in somebody's hands."""
    connection.close()
    pool = {"min_size": 1, "max_size": 1, "timeout": 0.3}
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "pool", pool)
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    holder = connection.copy()
    try:
        holder.ensure_connection()
        with pytest.raises(queue.QueueRefused, match="get a connection after"):
            queue.send([encode(make_event())])
    finally:
        holder.close()
        connection.close()
        connection.close_pool()


def test_what_fits_is_claimed_together_and_the_oldest_first(send, make_event, settings):
    settings.TRAFFIC_TRANSACTION_EVENTS = 25
    for _ in range(5):
        send(*(make_event() for _ in range(10)))
    ids = list(QueuedBatch.objects.order_by("id").values_list("id", flat=True))

    claims = [[claimed.id for claimed in queue.claim()] for _ in range(4)]

    assert claims == [ids[:2], ids[2:4], ids[4:], []]


def test_a_batch_larger_than_a_transaction_is_claimed_all_the_same(send, make_event, settings):
    settings.TRAFFIC_TRANSACTION_EVENTS = 5
    send(*(make_event() for _ in range(10)))

    assert [claimed.events for claimed in queue.claim()] == [10]


def test_a_delivery_that_is_given_back_leaves_no_trace(send, make_event):
    send(make_event())
    claims = queue.claim()

    queue.give_back(claims, "the disk was full", delay=0)

    batch = QueuedBatch.objects.get()
    assert (batch.deliveries, batch.last_error) == (0, "the disk was full")
    assert [claimed.deliveries for claimed in queue.claim()] == [1]


def test_giving_back_a_delivery_that_another_has_taken_over_changes_nothing(send, make_event, settings):
    settings.TRAFFIC_LEASE = 0.05
    send(make_event())
    first = queue.claim()
    time.sleep(0.1)
    (second,) = queue.claim()

    queue.give_back(first, "late", delay=0)
    queue.finish(first)

    batch = QueuedBatch.objects.get()
    assert (batch.deliveries, batch.claim) == (2, second.token)


def test_halves_keep_their_age_and_their_deliveries(send, make_event):
    send(*(make_event() for _ in range(5)))
    whole = QueuedBatch.objects.get()
    (claimed,) = queue.claim()

    with transaction.atomic():
        queue.halve(claimed, [b"1", b"2", b"3", b"4", b"5"], "why")

    first, second = QueuedBatch.objects.order_by("id")
    assert (first.payload, second.payload) == ("[1,2]", "[3,4,5]")
    for half in (first, second):
        assert (half.origin, half.created_at, half.last_error) == (whole.id, whole.created_at, "why")
        assert (half.deliveries, half.max_deliveries) == (1, 2)


def test_depth_counts_batches_events_and_age(send, make_event):
    assert queue.depth() == queue.Depth(0, 0, 0.0)
    send(*(make_event() for _ in range(3)))
    send(make_event())
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gateway_queuedbatch SET created_at = now() - interval '1 minute'")

    depth = queue.depth()

    assert (depth.batches, depth.events) == (2, 4)
    assert 60 <= depth.oldest_seconds < 70


def test_the_queue_is_unattended_only_while_nobody_works_and_no_doorbell_waits(send, make_event):
    OrmQ.objects.all().delete()
    assert not queue.is_unattended()
    assert queue.is_unattended(or_idle=True)
    send(make_event())
    assert not queue.is_unattended()  # its doorbell waits

    OrmQ.objects.all().delete()
    assert queue.is_unattended()

    other = connection.copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:  # somebody works
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [queue.lock_key()])
    assert not queue.is_unattended()
    other.close()
    assert wait_for(queue.is_unattended)


def test_a_failed_statement_does_not_leave_the_connection_in_a_transaction(store):
    with pytest.raises(DatabaseError), bounded_transaction(1.0) as cursor:
        cursor.execute("SELECT 1 / 0")

    assert not connection.in_atomic_block
    assert queue.depth().batches == 0
