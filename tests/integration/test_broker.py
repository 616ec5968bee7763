"""The cluster's broker outlives an outage of the database."""

from __future__ import annotations

import pytest
from django.db import OperationalError
from django_q.brokers import get_broker
from django_q.brokers.orm import ORM
from django_q.models import OrmQ

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


def test_a_queue_that_cannot_be_read_is_an_empty_one_for_now(monkeypatch, caplog):
    def away(*args: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(broker_module, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(ORM, "dequeue", away)
    monkeypatch.setattr(ORM, "delete", away)
    broker = get_broker()

    assert [broker.dequeue() for _ in range(3)] == [None, None, None]
    broker.acknowledge(1)

    assert caplog.text.count("connection refused") == 1
