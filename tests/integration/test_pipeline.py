"""pipeline_status tells where every event is."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection

from gateway import metrics, queue
from legacy_collector import collector
from stats import heartbeat, tasks
from stats.consumer import drain
from stats.models import ConsumerHeartbeat

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

CONTRACT = {
    "events",
    "requests",
    "queued_batches",
    "queued_events",
    "oldest_queued_seconds",
    "dead_letters",
    "fallback_pending",
    "journal_pending",
    "dropped",
    "consumer_heartbeat_age_seconds",
}


def status() -> dict[str, object]:
    out = StringIO()
    call_command("pipeline_status", "--json", stdout=out)
    return json.loads(out.getvalue())


def test_every_figure_of_the_contract_is_there_and_right(send, make_event):
    collector.CollectedEvent.objects.all().delete()
    send(make_event(), make_event())
    queue.enqueue([("[1]", 1)])
    drain()
    send(*(make_event() for _ in range(3)))
    collector.collect([make_event()], {"fallback"}, replay=True)
    dropped = metrics.total(metrics.dropped)

    figures = status()

    assert figures.keys() >= CONTRACT
    assert (figures["events"], figures["requests"], figures["dead_letters"]) == (2, 2, 1)
    assert (figures["queued_batches"], figures["queued_events"]) == (1, 3)
    assert figures["fallback_pending"] == 1
    assert figures["dropped"] == dropped
    assert 0 <= figures["consumer_heartbeat_age_seconds"] < 5
    assert 0 <= figures["oldest_queued_seconds"] < 5


def test_an_open_breaker_is_a_problem_with_its_cause(store, capsys):
    heartbeat.beat()
    ConsumerHeartbeat.objects.update(breaker="open", breaker_error="everything fails")
    try:
        with pytest.raises(SystemExit) as caught:
            call_command("pipeline_status", stdout=StringIO(), stderr=(errors := StringIO()))
        assert caught.value.code == 1
        assert "everything fails" in errors.getvalue()
    finally:
        ConsumerHeartbeat.objects.all().delete()


def test_the_consumer_is_ready_once_it_has_beaten(store):
    ConsumerHeartbeat.objects.all().delete()
    assert heartbeat.readiness() == "the consumer has not run yet"
    heartbeat.beat()
    assert heartbeat.readiness() is None
    with connection.cursor() as cursor:
        cursor.execute("UPDATE stats_consumerheartbeat SET beat_at = now() - interval '2 minutes'")
    assert "120 s ago" in (heartbeat.readiness() or "")


def test_the_doorbell_answers_and_a_failure_of_the_consumer_stays_in_the_log(
    send, make_event, monkeypatch, caplog
):
    from stats import consumer

    send(make_event())
    tasks.consume()
    assert status()["events"] == 1

    monkeypatch.setattr(consumer, "drain", lambda: 1 / 0)
    tasks.consume()
    assert "Consumer failed" in caplog.text
