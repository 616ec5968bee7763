"""The collector keeps each event once, adds up why it has it, and never grows past its bound."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import connections
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.conf import conf
from gateway.events import TrafficEvent, decode
from gateway.idempotency import generate_idempotent_id
from legacy_collector.collector import CollectorRefused, collect, hour_of, pending, readiness
from legacy_collector.models import CollectedEvent, CollectedHourly, Reason
from legacy_collector.retention import expire, occupancy

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

NOON = 1_763_900_000_000
HOUR = 3_600_000
FALLBACK = {"fallback"}


@pytest.fixture(autouse=True, params=["sqlite", "postgresql"])
def _collector(request: pytest.FixtureRequest, settings: Any) -> Iterator[None]:
    """Every test runs on both kinds of store; the tables on the server are made for it."""
    if request.param == "postgresql":
        settings.LEGACY_DATABASE = "default"
        with connections["default"].schema_editor() as editor:
            editor.create_model(CollectedEvent)
            editor.create_model(CollectedHourly)
    occupancy.count()
    yield
    if request.param == "postgresql":
        with connections["default"].schema_editor() as editor:
            editor.delete_model(CollectedEvent)
            editor.delete_model(CollectedHourly)


def event_of(number: int, hours: int = 0, status: int = 200) -> TrafficEvent:
    timestamp = NOON + hours * HOUR + number
    return TrafficEvent(
        idempotent_id=generate_idempotent_id(timestamp, "0" * 16, f"/{number}", "request"),
        timestamp=timestamp,
        path=f"/{number}",
        route=f"/route-{number % 3}",
        method="GET",
        status=status,
        response_time=1.0,
        client_ip_hash="0" * 16,
        request_id="request",
    )


def hourly() -> dict[tuple[str, datetime], tuple[int, int]]:
    rows = CollectedHourly.objects.values_list("route", "hour", "requests", "errors")
    return {(route, hour): (requests, errors) for route, hour, requests, errors in rows}


def empty() -> None:
    CollectedEvent.objects.all().delete()
    CollectedHourly.objects.all().delete()


def test_a_collected_event_is_stored_exactly_as_encoded():
    event = event_of(1, status=404)

    assert collect([event], FALLBACK, replay=True) == 1

    row = CollectedEvent.objects.get()
    assert decode(row.payload) == event
    assert (row.idempotent_id, row.route, row.status) == (event.idempotent_id, "/route-1", 404)
    assert row.hour == datetime(2025, 11, 23, 12, tzinfo=UTC)
    assert (row.reason_names, row.replay_pending, row.replayed_at) == (("fallback",), True, None)
    assert hourly() == {("/route-1", row.hour): (1, 1)}


def test_nothing_collected_is_nothing_stored():
    assert collect([], FALLBACK, replay=True) == 0


def test_an_event_twice_in_one_batch_is_stored_once():
    assert collect([event_of(1), event_of(1)], FALLBACK, replay=True) == 1
    assert list(hourly().values()) == [(1, 0)]


def test_a_batch_larger_than_one_statement_is_stored_whole():
    events = [event_of(number) for number in range(1_234)]

    assert collect(events, FALLBACK, replay=True) == 1_234
    assert collect(events, FALLBACK, replay=True) == 0
    assert sum(requests for requests, _ in hourly().values()) == 1_234


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.lists(
            st.builds(event_of, st.integers(0, 30), st.integers(0, 2), st.sampled_from((200, 302, 404, 500))),
            max_size=20,
        ),
        max_size=6,
    ),
)
def test_any_order_and_partition_of_batches_is_stored_as_a_set(batches):
    empty()
    first = {event.idempotent_id: event for batch in reversed(batches) for event in reversed(batch)}

    inserted = sum(collect(batch, FALLBACK, replay=True) for batch in batches)

    assert inserted == len(first)
    rows = dict(CollectedEvent.objects.values_list("idempotent_id", "payload"))
    assert {key: decode(payload) for key, payload in rows.items()} == first
    requests = Counter((event.route, hour_of(event)) for event in first.values())
    errors = Counter((event.route, hour_of(event)) for event in first.values() if event.status >= 400)
    assert hourly() == {key: (requests[key], errors[key]) for key in requests}


def test_reasons_of_an_event_add_up():
    event = event_of(1)

    collect([event], {"dual"}, replay=False)
    collect([event], {"sample"}, replay=False)
    collect([event], {"dual", "fallback"}, replay=True)

    assert CollectedEvent.objects.get().reason_names == ("dual", "sample", "fallback")
    assert list(hourly().values()) == [(1, 0)]


def test_an_event_held_for_another_reason_still_gets_the_mark():
    collect([event_of(1), event_of(2)], {"dual"}, replay=False)
    assert pending() == 0

    collect([event_of(1)], FALLBACK, replay=True)

    assert CollectedEvent.objects.get(replay_pending=True).idempotent_id == event_of(1).idempotent_id


def test_collecting_for_another_reason_does_not_take_the_mark_away():
    collect([event_of(1)], FALLBACK, replay=True)
    collect([event_of(1)], {"dual"}, replay=False)

    assert pending() == 1


def test_an_event_that_was_replayed_and_falls_back_again_waits_again():
    collect([event_of(1)], FALLBACK, replay=True)
    CollectedEvent.objects.update(replay_pending=False, replayed_at=datetime.now(UTC))

    assert collect([event_of(1)], FALLBACK, replay=True) == 0

    assert pending() == 1


def test_an_unknown_reason_is_named():
    with pytest.raises(ValueError, match="reasons: 'whim' is unknown"):
        collect([event_of(1)], {"whim"}, replay=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.sampled_from(Reason.all_names())))
def test_reasons_come_back_as_the_names_they_were_made_from(names):
    assert set(Reason.from_names(names).names) == names


@override_settings(LEGACY_MAX_EVENTS=5)
def test_a_store_full_of_waiting_events_refuses():
    collect([event_of(number) for number in range(5)], FALLBACK, replay=True)

    with pytest.raises(CollectorRefused, match=r"5 events \(LEGACY_MAX_EVENTS\)"):
        collect([event_of(6)], FALLBACK, replay=True)

    assert CollectedEvent.objects.count() == 5


@override_settings(LEGACY_MAX_EVENTS=5)
def test_a_full_store_gives_up_events_nobody_waits_for():
    collect([event_of(0)], FALLBACK, replay=True)
    collect([event_of(number) for number in range(1, 6)], {"dual"}, replay=False)

    assert collect([event_of(6)], FALLBACK, replay=True) == 1

    kept = set(CollectedEvent.objects.values_list("idempotent_id", flat=True))
    assert kept == {event_of(0).idempotent_id, event_of(6).idempotent_id}
    assert sum(requests for requests, _ in hourly().values()) == 7


def test_only_old_events_that_do_not_wait_expire():
    collect([event_of(1)], FALLBACK, replay=True)
    collect([event_of(2), event_of(3)], {"dual"}, replay=False)
    CollectedEvent.objects.exclude(pk=event_of(3).idempotent_id).update(
        collected_at=datetime.now(UTC) - timedelta(days=31)
    )

    assert expire(datetime.now(UTC)) == 1

    kept = set(CollectedEvent.objects.values_list("idempotent_id", flat=True))
    assert kept == {event_of(1).idempotent_id, event_of(3).idempotent_id}
    assert sum(requests for requests, _ in hourly().values()) == 3


@override_settings(LEGACY_RETENTION_DAYS=1)
def test_the_retention_is_a_setting():
    collect([event_of(1)], {"dual"}, replay=False)

    assert expire(datetime.now(UTC) + timedelta(hours=23)) == 0
    assert expire(datetime.now(UTC) + timedelta(hours=25)) == 1


def test_what_lies_past_the_bound_expires_oldest_first():
    for number in range(4):
        collect([event_of(number, hours=number)], {"dual"}, replay=False)

    with override_settings(LEGACY_MAX_EVENTS=2):
        assert expire(datetime.now(UTC)) == 2

    kept = set(CollectedEvent.objects.values_list("idempotent_id", flat=True))
    assert kept == {event_of(2, 2).idempotent_id, event_of(3, 3).idempotent_id}
    assert set(CollectedHourly.objects.values_list("hour", flat=True)) == {
        hour_of(event_of(2, 2)),
        hour_of(event_of(3, 3)),
    }


def test_a_working_collector_is_ready():
    assert readiness() is None


def test_a_lock_beyond_the_timeout_is_a_refusal_that_leaves_nothing_behind(settings):
    settings.TRAFFIC_SEND_TIMEOUT = 0.3
    collect([event_of(1)], {"dual"}, replay=False)
    other = connections[conf.legacy_database].copy()
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("UPDATE legacy_collector_collectedevent SET status = 201")

    with pytest.raises(CollectorRefused, match=r"timeout|database is locked"):
        collect([event_of(1), event_of(2)], FALLBACK, replay=True)

    other.close()
    assert (CollectedEvent.objects.count(), pending()) == (1, 0)
    assert collect([event_of(1), event_of(2)], FALLBACK, replay=True) == 1
    assert pending() == 2


def test_writers_that_overlap_in_any_order_neither_deadlock_nor_count_twice():
    events = [event_of(number, hours=number % 2) for number in range(300)]

    def write(seed: int) -> int:
        mine = Random(seed).sample(events, len(events))
        try:
            return sum(collect(mine[at : at + 30], FALLBACK, replay=True) for at in range(0, 300, 30))
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        inserted = list(pool.map(write, range(4)))

    assert sum(inserted) == 300 == pending()
    assert sum(requests for requests, _ in hourly().values()) == 300
