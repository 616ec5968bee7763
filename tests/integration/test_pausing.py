"""A paused consumer leaves the batches where they are, and lives."""

from __future__ import annotations

import json

import pytest
from django.core.management import call_command

from gateway import queue
from stats import heartbeat, pausing, pipeline
from stats.consumer import drain
from stats.models import ConsumerHeartbeat, Event

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])


@pytest.fixture(autouse=True)
def _no_consumer(store):
    ConsumerHeartbeat.objects.all().delete()


def test_what_is_sent_while_it_rests_is_counted_when_it_goes_on(send, make_event):
    assert pausing.pause("ada")
    assert not pausing.pause("bob")
    send(make_event())

    assert drain().batches == 0
    assert (queue.depth().batches, Event.objects.count()) == (1, 0)
    assert ConsumerHeartbeat.objects.get().paused_by == "ada"
    assert heartbeat.readiness() is None

    assert pausing.resume("ada")
    assert not pausing.resume("ada")
    assert drain().inserted == 1


def test_a_batch_that_waits_spends_no_delivery(send, make_event):
    pausing.pause("ada")
    send(make_event())
    for _ in range(5):
        drain()
    pausing.resume("ada")
    assert queue.claim()[0].deliveries == 1


def test_the_status_says_who_paused_it():
    pausing.pause("ada")
    assert "the consumer is paused (by ada)" in " ".join(pipeline.status()["problems"])
    pausing.resume("ada")
    assert pipeline.status()["paused_by"] == ""


def test_the_commands_say_whether_they_changed_something(capsys):
    for command, changed in (
        ("pause_consumer", True),
        ("pause_consumer", False),
        ("resume_consumer", True),
        ("resume_consumer", False),
    ):
        call_command(command, "--json")
        assert json.loads(capsys.readouterr().out) == {"changed": changed}
