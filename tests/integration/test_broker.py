"""The cluster's broker outlives an outage of the database."""

from __future__ import annotations

import pickle
from multiprocessing import get_context

import pytest
from django.core import signing
from django.db import OperationalError
from django.utils import timezone
from django_q.brokers import get_broker
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.pusher import pusher

from gateway import broker as broker_module
from gateway import queue
from gateway.broker import PatientBroker

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


def test_django_q2_uses_it():
    assert isinstance(get_broker(), PatientBroker)


def test_it_delivers_like_the_stock_one(store):
    OrmQ.objects.all().delete()
    queue.ring()
    ((task_id, _payload),) = get_broker().dequeue()
    get_broker().acknowledge(task_id)
    assert not OrmQ.objects.exists()


def test_the_oldest_task_comes_first_and_one_at_work_does_not_come_again(store):
    OrmQ.objects.all().delete()
    first, second = (put(pickle.dumps({**TASK, "name": name})) for name in ("first", "second"))
    broker = get_broker()

    assert [task_id for _ in range(2) for task_id, _ in broker.dequeue()] == [first, second]
    assert broker.dequeue() == []

    OrmQ.objects.filter(pk=first).update(lock=timezone.now())  # its time is over
    assert [task_id for task_id, _ in broker.dequeue()] == [first]


def test_tasks_of_another_queue_are_not_ours(store):
    OrmQ.objects.all().delete()
    OrmQ.objects.create(key="another", payload="", lock=timezone.now())
    assert get_broker().dequeue() == []
    assert OrmQ.objects.count() == 1


class Raw:
    """A serializer that serializes nothing: what is signed is what is given."""

    def dumps(self, content: bytes) -> bytes:
        return content


def put(content: bytes, key: str = Conf.SECRET_KEY) -> int:
    payload = signing.dumps(content, key=key, salt=Conf.PREFIX, serializer=Raw)
    return OrmQ.objects.create(key=queue_name(), payload=payload, lock=timezone.now()).pk


def queue_name() -> str:
    return get_broker().list_key


TASK = {"id": "1", "name": "n", "func": "time.sleep", "args": (0,), "kwargs": {}}
UNREADABLE = {
    "of a module that is gone": b"cno_such_module\nThing\n.",
    "of a module that can't be imported": b"casyncio.windows_events\nIocpProactor\n.",
    "no pickle": b"\x00",
    "nothing": b"",
    "cut off": pickle.dumps({"func": "time.sleep", "args": [1] * 100})[:-9],
    "no task": pickle.dumps(["time.sleep"]),
    "a task without a function": pickle.dumps({"id": "1", "name": "n", "args": (), "kwargs": {}}),
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_a_signed_task_that_cannot_be_read_is_dropped_with_one_line(store, caplog, content):
    OrmQ.objects.all().delete()
    bad = put(content)

    assert not get_broker().dequeue()

    assert not OrmQ.objects.exists()
    (line,) = [record.getMessage() for record in caplog.records if record.name == "gateway.broker"]
    assert line.startswith(f"Task {bad} can't be read, so it can't ever run, and is dropped: ")
    assert "\n" not in line


def test_a_task_under_another_key_is_dropped_with_one_line(store, caplog):
    OrmQ.objects.all().delete()
    put(pickle.dumps({"func": "time.sleep"}), key="before it was rotated")

    assert not get_broker().dequeue()

    assert not OrmQ.objects.exists()
    assert caplog.text.count("BadSignature") == 1


def test_the_pusher_lives_through_tasks_that_cannot_be_read_and_hands_over_our_doorbell(store):
    OrmQ.objects.all().delete()
    for content in UNREADABLE.values():
        put(content)
    tasks, ends, broker = get_context().Queue(), get_context().Event(), get_broker()
    ends.set()  # so that each call looks once

    for _ in UNREADABLE:
        pusher(tasks, ends, broker)
    queue.ring()
    pusher(tasks, ends, broker)

    assert tasks.get(timeout=5)["func"] == "stats.tasks.consume"
    assert OrmQ.objects.count() == 1  # it stays until it is acknowledged


def test_a_queue_that_cannot_be_read_is_an_empty_one_for_now(monkeypatch, caplog):
    def away(*args: object) -> None:
        raise OperationalError("connection refused")

    broker = get_broker()
    monkeypatch.setattr(broker_module, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(PatientBroker, "_take", away)
    monkeypatch.setattr(ORM, "delete", away)

    assert [broker.dequeue() for _ in range(3)] == [None, None, None]
    broker.acknowledge(1)

    assert caplog.text.count("connection refused") == 1
