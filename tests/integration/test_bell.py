"""The bell rings when nobody else does, and only then."""

from __future__ import annotations

import pytest
from django.db import connection
from django_q.models import OrmQ

from legacy_collector import collector
from stats import bell
from stats.consumer import drain

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture(autouse=True)
def no_doorbell(store):
    OrmQ.objects.all().delete()


def doorbells() -> list[str]:
    return [task.func() for task in OrmQ.objects.all()]


def test_a_batch_whose_doorbell_was_lost_is_rung_for_once(send, make_event):
    send(make_event())
    OrmQ.objects.all().delete()

    assert [bell.look() for _ in range(3)] == [True, False, False]

    assert doorbells() == ["stats.tasks.consume"]


def test_a_batch_that_is_not_due_yet_is_not_rung_for(send, make_event):
    send(make_event())
    OrmQ.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE gateway_queuedbatch SET visible_at = now() + interval '1 minute'")

    assert not bell.look()


def test_an_idle_queue_is_rung_for_only_if_asked(store):
    assert not bell.look()
    assert bell.look(or_idle=True)


def test_what_the_collector_holds_for_the_queue_starts_a_replay(store, make_event):
    assert not bell.look_for_fallback()
    collector.collect([make_event()], {"fallback"}, replay=True)

    assert bell.look_for_fallback()

    assert doorbells() == ["legacy_collector.replay.replay_scheduled"]


def test_nothing_is_rung_for_once_all_is_counted(send, make_event):
    send(make_event())
    drain()
    OrmQ.objects.all().delete()

    assert not bell.look()
