"""Each measure is taken of what is really there: it fires, it clears, and says why where it is not known."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, connections

from gateway import modes, queue
from gateway.events import encode
from legacy_collector.collector import collect
from legacy_collector.models import CollectedEvent
from stats import pausing, reports
from stats.alerts import looking
from stats.alerts.evaluation import evaluate
from stats.alerts.incidents import Outcome
from stats.alerts.looking import Look
from stats.alerts.machine import Message, Phase
from stats.alerts.measuring import Measured, measure
from stats.consumer import drain
from stats.models import AlertRule, ConsumerHeartbeat, DeadLetter
from stats.reports import Range, recent
from tests.integration.api_traffic import database_away

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def _own_rules_only(store: None) -> None:
    """A test that is the first of its process finds the shipped ones, which `migrate` made."""
    AlertRule.objects.all().delete()


def rule(measure: str, bound: float, clears_at: float, **fields: Any) -> AlertRule:
    """One that fires and clears at once."""
    at_once = {"hold_minutes": 0, "clear_minutes": 0, "cool_down_minutes": 0, "minimum_requests": 10}
    return AlertRule.objects.create(
        name=f"{measure} {fields}", measure=measure, bound=bound, clears_at=clears_at, **{**at_once, **fields}
    )


def look() -> Outcome:
    """Of the only rule."""
    (outcome,) = evaluate()
    return outcome


@pytest.fixture
def count(make_event):
    """Counts requests of a moment (default: within the window)."""

    def count_requests(number: int, at: datetime | None = None, **fields: Any) -> None:
        moment = at or datetime.now(UTC) - timedelta(minutes=2)
        for start in range(0, number, 100):
            some = range(start, min(number, start + 100))
            events = [make_event(timestamp=int(moment.timestamp() * 1000) + one, **fields) for one in some]
            queue.send([encode(event) for event in events])
        drain()

    return count_requests


# --- traffic -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("measure", "status"), [("server_error_rate", 503), ("error_rate", 404)])
def test_a_share_of_errors_fires_and_clears(count, measure, status):
    rule(measure, bound=5, clears_at=2)
    count(90)
    count(10, status=status)
    outcome = look()
    assert (outcome.measured.value, outcome.message) == (10.0, Message.FIRED)
    assert outcome.measured.detail == "10 of 100 requests"

    count(900)
    outcome = look()
    assert (outcome.measured.value, outcome.message) == (1.0, Message.RESOLVED)


def test_a_client_s_mistake_is_no_server_error(count):
    rule("server_error_rate", bound=5, clears_at=2)
    count(20, status=404)
    assert look().measured.value == 0


def test_slow_responses_fire_and_clear(count):
    rule("p95", bound=1000, clears_at=500)
    count(90)
    count(10, response_time=3000.0)
    assert (look().measured.value, look().after.phase) == (3000.0, Phase.FIRING)
    count(400)
    assert (look().measured.value, look().after.phase) == (12.5, Phase.OK)


def test_one_error_of_two_requests_is_no_alarm(count):
    rule("error_rate", bound=5, clears_at=2, minimum_requests=10)
    count(1)
    count(1, status=500)
    outcome = look()
    assert (outcome.measured.value, outcome.after.phase) == (None, Phase.OK)
    assert outcome.measured.detail == "2 requests in five minutes are too few to say"


@pytest.mark.parametrize(
    ("route", "requests"),
    [("", 60), ("/api/orders", 10), ("/api/*", 30), ("*orders", 10), ("/API/*", 0), ("/api_orders", 0)],
)
def test_a_rule_is_of_all_routes_of_one_or_of_those_a_pattern_fits(count, route, requests):
    count(10, route="/api/orders", status=500)
    count(20, route="/api/items/{id}")
    count(30, route="/health%")
    found = recent(Look(datetime.now(UTC)).window(), route)
    assert found.requests == requests
    rule("error_rate", bound=5, clears_at=2, route=route)
    assert look().measured.value == (pytest.approx(1000 / requests) if requests else None)


def test_of_a_flood_only_the_newest_requests_are_looked_at_and_the_rate_is_theirs(count, monkeypatch):
    monkeypatch.setattr(sys.modules["stats.reports.recent"], "LOOKED_AT", 60)
    count(100, at=datetime.now(UTC) - timedelta(minutes=3))
    count(20, at=datetime.now(UTC) - timedelta(minutes=1))
    found = recent(Look(datetime.now(UTC)).window())
    assert found.requests == 60
    minutes = (found.until - found.since) / timedelta(minutes=1)
    assert 2.5 < minutes < 3
    assert found.a_minute == pytest.approx(60 / minutes)


def a_week_before(count, a_minute: int) -> None:
    now = datetime.now(UTC)
    for minutes in range(-60, 61, 10):
        count(a_minute * 10, at=now - WEEK + timedelta(minutes=minutes))


def test_much_more_traffic_than_a_week_before_fires(count):
    rule("traffic_jump", bound=200, clears_at=100)
    a_week_before(count, 6)
    count(200)
    outcome = look()
    assert outcome.message is Message.FIRED
    assert 350 < outcome.measured.value < 900  # 40 a minute; the hours' edges are coarse
    assert outcome.measured.detail.startswith("40.0 requests a minute, ")


def test_much_less_traffic_than_a_week_before_fires_and_clears(count):
    rule("traffic_drop", bound=70, clears_at=50)
    a_week_before(count, 12)
    outcome = look()
    assert (outcome.measured.value, outcome.message) == (100.0, Message.FIRED)
    count(60)
    assert look().message is Message.RESOLVED


def test_without_a_week_before_there_is_nothing_to_compare_with(count):
    rule("traffic_jump", bound=200, clears_at=100)
    count(50)
    assert look().measured.detail == "a week before nothing was counted at this hour"


def test_while_events_wait_in_the_fallback_traffic_is_not_known(count, make_event):
    rule("traffic_drop", bound=70, clears_at=50)
    a_week_before(count, 6)
    collect([make_event()], {"fallback"}, replay=True)
    assert look().measured == Measured(None, "events wait in the fallback, so what is counted is not all")


def test_traffic_is_measured_up_to_where_all_is_counted(count, make_event):
    rule("error_rate", bound=5, clears_at=2)
    count(50, at=datetime.now(UTC) - timedelta(minutes=5), status=500)
    queue.send([encode(make_event())])
    age_the_queue(minutes=4)
    assert look().measured.value == 100.0
    age_the_queue(minutes=20)
    assert look().measured.value is None
    assert "events wait to be counted since 1200 s" in look().measured.detail


def test_in_mode_legacy_nothing_is_counted_here(count):
    rule("error_rate", bound=5, clears_at=2)
    count(50, status=500)
    modes.change("legacy", by="ann")
    assert look().measured.detail == "in mode legacy nothing is counted here"


# --- the pipeline --------------------------------------------------------------------------------------


def age_the_queue(minutes: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE gateway_queuedbatch SET created_at = clock_timestamp() - make_interval(mins => %s)",
            [minutes],
        )


def test_a_backlog_fires_and_clears(make_event):
    rule("backlog", bound=3, clears_at=0)
    queue.send([encode(make_event()) for _ in range(3)])
    outcome = look()
    assert (outcome.measured.value, outcome.message) == (3, Message.FIRED)
    drain()
    assert look().message is Message.RESOLVED


def test_events_that_wait_too_long_fire(make_event):
    rule("oldest_age", bound=60, clears_at=10)
    assert look().measured.value == 0
    queue.send([encode(make_event())])
    age_the_queue(minutes=5)
    assert look().message is Message.FIRED
    assert look().measured.value == pytest.approx(300, abs=20)
    drain()
    assert look().message is Message.RESOLVED


def test_a_new_dead_letter_fires_until_somebody_settles_it():
    rule("dead_letters", bound=1, clears_at=0)
    assert look().message is None
    queue.enqueue([("[7]", 1)])
    drain()
    outcome = look()
    assert (outcome.measured.value, outcome.message) == (1, Message.FIRED)
    assert outcome.measured.detail == "undecodable: 1"
    DeadLetter.objects.update(state=DeadLetter.State.DISCARDED)
    assert look().message is Message.RESOLVED


def test_a_silent_consumer_fires_until_it_is_heard_again():
    rule("heartbeat_age", bound=60, clears_at=30)
    ConsumerHeartbeat.objects.all().delete()
    assert look().measured.detail == "the consumer has not run yet"
    drain()
    assert look().after.phase is Phase.OK
    ConsumerHeartbeat.objects.update(beat_at=datetime.now(UTC) - timedelta(minutes=3))
    assert look().message is Message.FIRED
    drain()
    assert look().message is Message.RESOLVED


def test_a_fallback_in_use_fires_until_all_is_replayed(make_event):
    rule("fallback", bound=1, clears_at=0)
    assert look().measured.value == 0
    collect([make_event()], {"fallback"}, replay=True)
    assert look().message is Message.FIRED
    CollectedEvent.objects.update(replay_pending=False)
    assert look().message is Message.RESOLVED


def test_a_paused_consumer_does_not_hide_what_waits(make_event):
    rule("oldest_age", bound=60, clears_at=10)
    pausing.pause("ann")
    queue.send([encode(make_event())])
    age_the_queue(minutes=2)
    assert look().message is Message.FIRED


# --- what can't be known -------------------------------------------------------------------------------


def test_a_store_that_is_too_slow_is_unknown_and_the_other_rules_go_on(count, monkeypatch):
    monkeypatch.setattr(looking, "SECONDS", 0.2)
    rule("error_rate", bound=5, clears_at=2)
    rule("dead_letters", bound=1, clears_at=0)
    count(50, status=500)
    blocker = connections.create_connection("default")
    try:
        with blocker.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("LOCK TABLE stats_event IN ACCESS EXCLUSIVE MODE")
        began = time.monotonic()
        found = {outcome.rule.measure: outcome for outcome in evaluate()}
        assert time.monotonic() - began < 5
    finally:
        blocker.close()
    assert found["error_rate"].measured.value is None
    assert "took longer than 0.2 s" in found["error_rate"].measured.detail
    assert found["error_rate"].after.phase is Phase.OK
    assert found["dead_letters"].measured.value == 0


def test_what_is_not_known_keeps_an_alert_as_it_is(count, monkeypatch):
    rule("error_rate", bound=5, clears_at=2)
    count(50, status=500)
    assert look().after.phase is Phase.FIRING
    monkeypatch.setattr(looking, "WINDOW", timedelta(milliseconds=1))
    outcome = look()
    assert (outcome.measured.value, outcome.after.phase, outcome.message) == (None, Phase.FIRING, None)


def test_a_database_that_is_away_is_an_error_of_the_look_and_of_no_rule():
    one = rule("dead_letters", bound=1, clears_at=0)
    with database_away(), pytest.raises(Exception, match="connection"):
        evaluate()
    with database_away():
        assert measure(Look(datetime.now(UTC)), one).value is None


def test_a_short_time_is_compared_with_its_share_of_the_hours(count):
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
    count(60, at=hour + timedelta(minutes=1))
    count(120, at=hour + timedelta(hours=1, minutes=1))
    across = Range(hour + timedelta(minutes=57), hour + timedelta(minutes=62))
    assert reports.expected(across) == pytest.approx(60 * 3 / 60 + 120 * 2 / 60)
    assert reports.expected(across, "/api/items/*") == reports.expected(across)
    assert reports.expected(across, "/nowhere") == 0
