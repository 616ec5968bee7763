"""`/metrics` tells what happened to events, only to those who may know, and without the database too."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from gateway import metrics, queue
from stats import tokens, vitals
from stats.consumer import drain
from stats.models import ApiToken, ConsumerHeartbeat, DeadLetter
from tests.integration.api_traffic import database_away, database_hangs
from tests.integration.stack import served

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

NEAR = {"REMOTE_ADDR": "127.0.0.1"}
FAR = {"REMOTE_ADDR": "198.51.100.7"}


@pytest.fixture(autouse=True)
def _fresh(store: None) -> None:
    ConsumerHeartbeat.objects.all().delete()


def samples(text: str) -> dict[str, float]:
    """Every sample by its name, labels included."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def scrape(**more: Any) -> dict[str, float]:
    answer = Client().get("/metrics", **NEAR, **more)
    assert answer.status_code == 200
    return samples(answer.content.decode())


# --- what it tells -------------------------------------------------------------------------------


def test_before_anything_happened_there_are_no_made_up_figures():
    found = scrape()
    assert found["tallygate_database_up"] == 1
    assert found["tallygate_backlog_events"] == 0
    assert "tallygate_consumed_total" not in found  # no consumer has run


def test_the_way_of_events_can_be_followed(send, make_event):
    event = make_event()
    send(event, make_event())
    drain()
    send(event)  # again
    queue.enqueue([("[1]", 1), ("{", 1)])
    drain()
    send(*(make_event() for _ in range(3)))

    found = scrape()

    assert found["tallygate_consumed_total"] == 2
    assert found["tallygate_duplicates_total"] == 1
    assert found["tallygate_buried_total"] == 2
    assert found["tallygate_dead_letters{reason=undecodable}"] == 2
    assert found["tallygate_dead_letters{reason=late}"] == 0
    assert found["tallygate_batch_seconds_count"] == 4
    assert 0 < found["tallygate_batch_seconds_sum"] < 10
    assert (found["tallygate_backlog_batches"], found["tallygate_backlog_events"]) == (1, 3)
    assert 0 <= found["tallygate_backlog_oldest_seconds"] < 10
    assert 0 <= found["tallygate_consumer_heartbeat_age_seconds"] < 10
    assert found["tallygate_consumer_breaker_open"] == 0


def test_an_open_breaker_shows(send, make_event):
    send(make_event())
    drain()
    ConsumerHeartbeat.objects.update(breaker="open")
    assert scrape()["tallygate_consumer_breaker_open"] == 1


def test_what_was_settled_is_a_dead_letter_no_more():
    queue.enqueue([("[1]", 1)])
    drain()
    DeadLetter.objects.update(state=DeadLetter.State.DISCARDED)
    assert scrape()["tallygate_dead_letters{reason=undecodable}"] == 0


def test_dead_letters_are_counted_up_to_a_cap(monkeypatch):
    monkeypatch.setattr(vitals, "LETTERS_CAP", 3)
    queue.enqueue([("[1]", 1)] * 5)
    drain()
    assert scrape()["tallygate_dead_letters{reason=undecodable}"] == 3


def test_the_counters_of_the_processes_are_there_with_their_sums():
    before = scrape()["tallygate_dropped_total"]
    metrics.dropped.inc(2)
    assert scrape()["tallygate_dropped_total"] == before + 2 == metrics.total(metrics.dropped)


def test_every_counter_of_the_catalogue_is_there():
    found = scrape()
    for name in re.findall(r'Counter\("(tallygate_\w+)"', Path(metrics.__file__).read_text()):
        assert f"{name}_total" in found


def test_a_scraper_that_speaks_openmetrics_is_answered_in_it():
    answer = Client().get(
        "/metrics", **NEAR, headers={"Accept": "application/openmetrics-text; version=1.0.0"}
    )
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    assert answer.content.endswith(b"# EOF\n")


@pytest.mark.parametrize("version", ["latest", "1.x", "", "1.0.0.0"])
@pytest.mark.parametrize("kind", ["text/plain", "application/openmetrics-text"])
def test_a_version_that_is_none_is_answered_in_the_usual_format(kind, version):
    answer = Client().get("/metrics", **NEAR, headers={"Accept": f"{kind}; version={version}"})
    assert answer.status_code == 200
    assert b"tallygate_database_up 1.0" in answer.content


def test_a_scrape_costs_a_bounded_number_of_queries(send, make_event):
    send(make_event())
    drain()
    with connection.execute_wrapper(counting := Counting()):
        scrape()
    assert counting.queries < 25


class Counting:
    def __init__(self) -> None:
        self.queries = 0

    def __call__(self, execute: Any, *arguments: Any) -> Any:
        self.queries += 1
        return execute(*arguments)


# --- without the database ------------------------------------------------------------------------


def test_without_the_database_the_counters_are_still_told():
    with database_away():
        found = scrape()
    assert found["tallygate_database_up"] == 0
    assert found["tallygate_sent_total"] == metrics.total(metrics.sent)
    assert "tallygate_backlog_events" not in found


def test_without_the_database_a_token_can_not_be_checked():
    secret = "tg_" + "A" * 43
    with database_away():
        answer = Client().get("/metrics", **FAR, headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 503


def test_a_database_that_hangs_holds_no_scrape_up(monkeypatch):
    monkeypatch.setattr(vitals, "SECONDS", 0.2)
    started = time.monotonic()
    with database_hangs():
        found = scrape()
    assert found["tallygate_database_up"] == 0
    assert time.monotonic() - started < 3
    assert scrape()["tallygate_database_up"] == 1


def test_a_part_that_can_not_be_asked_is_missing_and_the_others_are_there(monkeypatch):
    monkeypatch.setattr(vitals, "SECONDS", 0.3)
    release, locked = threading.Event(), threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE stats_deadletter IN ACCESS EXCLUSIVE MODE")
            locked.set()
            release.wait(10)
            cursor.execute("ROLLBACK")
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    try:
        assert locked.wait(5)
        found = scrape()
    finally:
        release.set()
        thread.join()
    assert found["tallygate_vitals_failed"] == 1
    assert "tallygate_dead_letters{reason=late}" not in found
    assert found["tallygate_backlog_events"] == 0


# --- to whom -------------------------------------------------------------------------------------


def test_a_stranger_is_told_nothing():
    answer = Client().get("/metrics", **FAR)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert b"tallygate_" not in answer.content


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP", "Via"])
def test_what_came_through_a_proxy_is_not_near_whatever_it_says(header):
    assert Client().get("/metrics", **NEAR, headers={header: "127.0.0.1"}).status_code == 401
    assert Client().get("/metrics", **FAR, headers={header: "127.0.0.1"}).status_code == 401


def test_networks_are_a_setting(settings):
    settings.METRICS_ALLOWED_NETWORKS = ["198.51.100.0/24"]
    assert Client().get("/metrics", **FAR).status_code == 200
    assert Client().get("/metrics", **NEAR).status_code == 401
    settings.METRICS_ALLOWED_NETWORKS = []
    assert Client().get("/metrics", **FAR).status_code == 401


def test_a_token_opens_it_from_anywhere_until_it_is_revoked():
    token = ApiToken(name="prometheus")
    headers = {"Authorization": f"Bearer {tokens.issue(token)}", "X-Forwarded-For": "203.0.113.9"}
    assert Client().get("/metrics", **FAR, headers=headers).status_code == 200
    tokens.revoke(ApiToken.objects.all())
    assert Client().get("/metrics", **FAR, headers=headers).status_code == 401


def test_nothing_but_reading_is_allowed():
    assert Client().post("/metrics", **NEAR).status_code == 405


# --- several processes ---------------------------------------------------------------------------


@pytest.mark.slow
def test_several_web_processes_tell_the_same_sums(tmp_path):
    import http.client

    with served(tmp_path / "one", WEB_CONCURRENCY="3") as (server,):

        def get(path: str) -> str:
            link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            link.request("GET", path, headers={"Connection": "close"})
            answer = link.getresponse()
            body = answer.read().decode()
            assert answer.status == 200
            return body

        for number in range(30):
            get(f"/api/test/{number}")
        assert server.drained(30)
        told = [samples(get("/metrics")) for _ in range(8)]  # whichever process answers

    assert {one["tallygate_captured_total"] for one in told} == {30.0}
    assert {one["tallygate_sent_total"] for one in told} == {30.0}
    assert {one["tallygate_consumed_total"] for one in told} == {30.0}
    assert {one["tallygate_backlog_events"] for one in told} == {0.0}
