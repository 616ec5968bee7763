"""What differs between the two paths is found, named, and judged by the mode that was in force."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connections

from gateway import modes, queue
from gateway.events import TrafficEvent, encode
from gateway.idempotency import generate_idempotent_id
from gateway.models import ModeChange
from legacy_collector.collector import collect
from legacy_collector.models import CollectedEvent, CollectedHourly
from stats.consumer import drain
from stats.models import DeadLetter, TrafficDay
from stats.route_cap import OTHER
from stats.verification import Report, Verdict, verify
from stats.verification import ids as ids_module
from stats.verification.shapes import Basis
from stats.verification.text import text

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
    pytest.mark.usefixtures("store"),
]

START = datetime(2025, 11, 22, 22, tzinfo=UTC)
HOURS = 6  # over midnight
END = START + timedelta(hours=HOURS)
HOUR = timedelta(hours=1)
EVENTS = 3_000

Make = Callable[..., TrafficEvent]


@pytest.fixture(autouse=True)
def _dual(settings: Any) -> None:
    settings.STATS_MODE = "dual"


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@pytest.fixture
def traffic(make_event: Make) -> list[TrafficEvent]:
    """Events of some hours and routes, some of them errors."""
    chance = random.Random(5)
    return [
        make_event(
            timestamp=ms(START) + number * HOURS * 3_600_000 // EVENTS,
            route=f"/route/{chance.randrange(10)}",
            status=chance.choice([200, 200, 200, 404]),
        )
        for number in range(EVENTS)
    ]


def count(events: Sequence[TrafficEvent]) -> None:
    """In the queue path."""
    queue.send([encode(event) for event in events])
    drain()


def collected(events: Sequence[TrafficEvent], *reasons: str, replay: bool = False) -> None:
    collect(events, set(reasons or ("dual",)), replay=replay)


def found(since: datetime = START, until: datetime = END) -> Report:
    return verify(since, until)


def one_percent(events: Sequence[TrafficEvent]) -> list[TrafficEvent]:
    return random.Random(7).sample(events, len(events) // 100)


# --- both the same -----------------------------------------------------------------------------------


def test_the_same_on_both_sides_holds(traffic):
    count(traffic)
    collected(traffic)

    report = found()

    assert (report.verdict, report.error, report.findings) == (Verdict.HOLDS, 0.0, [])
    assert [(row.queue, row.collector, row.verdict) for row in report.hours] == [
        (EVENTS // HOURS, EVENTS // HOURS, Verdict.HOLDS)
    ] * HOURS
    assert (report.inside.rows, report.inside.duplicates, report.inside.mismatches) == (EVENTS, 0, [])
    assert report.routes == []


def test_nothing_on_either_side_is_not_enough_data():
    report = found()
    assert (report.verdict, report.error) == (Verdict.UNKNOWN, None)
    assert "NOT ENOUGH DATA" in text(report)


def test_routes_that_the_cap_folded_are_folded_on_both_sides(settings, traffic):
    settings.STATS_ROUTES_PER_HOUR = 3
    count(traffic)
    collected(traffic)

    report = found()

    assert (report.verdict, report.routes) == (Verdict.HOLDS, [])
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT sum(requests) FROM stats_pathstatshourly WHERE route = %s", [OTHER])
        assert cursor.fetchone()[0] > 1_000


@pytest.mark.parametrize("step", [0, len(ids_module.STEPS_MS) - 1])
def test_however_long_its_looks_are_it_finds_the_same(traffic, monkeypatch, step):
    monkeypatch.setattr(ids_module, "FIRST_STEP", step)
    monkeypatch.setattr(ids_module, "FEWEST_IDS", 100)
    monkeypatch.setattr(ids_module, "MOST_IDS", 150)
    count(traffic)
    collected(traffic[5:])
    report = found()
    assert report.inside.rows == EVENTS
    assert report.missing_in_collector == [event.idempotent_id for event in traffic[:5]]


# --- seeded faults -----------------------------------------------------------------------------------


def test_one_percent_missing_in_the_queue_path_is_found_and_each_id_named(traffic):
    lost = one_percent(traffic)
    count([event for event in traffic if event not in lost])
    collected(traffic)

    report = found()

    assert report.verdict is Verdict.FAILS
    assert report.error == pytest.approx(0.01)
    assert report.missing_in_queue == sorted(event.idempotent_id for event in lost)
    assert report.missing_in_collector == []
    assert report.explained == {"waiting to be replayed": 0, "dead letters": 0, "nowhere": len(lost)}
    assert sum(row.missing_in_queue for row in report.routes) == len(lost)


def test_rows_that_somebody_deleted_from_the_collector_are_found(traffic):
    """It still counts them; but what it gives up by itself is what it collected first."""
    count(traffic)
    collected(traffic)
    lost = [event.idempotent_id for event in traffic[500::100]]
    CollectedEvent.objects.filter(pk__in=lost).delete()

    report = found()

    assert report.verdict is Verdict.HOLDS  # of 3,000, 25
    assert report.missing_in_collector == lost


def test_one_percent_missing_in_the_collector_is_found(traffic):
    lost = one_percent(traffic)
    count(traffic)
    collected([event for event in traffic if event not in lost])

    report = found()

    assert report.verdict is Verdict.FAILS
    assert report.missing_in_collector == sorted(event.idempotent_id for event in lost)
    assert report.missing_in_queue == []


def test_less_than_the_tolerance_holds_and_is_named_all_the_same(traffic):
    count(traffic)
    collected(traffic[1:])
    report = found()
    assert report.verdict is Verdict.HOLDS
    assert report.missing_in_collector == [traffic[0].idempotent_id]


def test_one_route_doubled_is_found_however_small_its_part(make_event, traffic):
    rare = [make_event(timestamp=ms(START) + number, route="/rare") for number in range(25)]
    doubled = [make_event(timestamp=event.timestamp, route="/rare") for event in rare]
    count([*traffic, *rare, *doubled])
    collected([*traffic, *rare])

    report = found()

    assert report.error is not None
    assert report.error < 0.01
    assert report.verdict is Verdict.FAILS
    assert report.findings[0].startswith("route /rare: 50 in the queue path, 25 in the collector")
    assert report.routes[0].route == "/rare"


@pytest.mark.parametrize("side", ["the queue path", "the collector"])
def test_one_hour_missing_is_found(traffic, side):
    third = (ms(START + 2 * HOUR), ms(START + 3 * HOUR))
    left = [event for event in traffic if not third[0] <= event.timestamp < third[1]]
    count(left if side == "the queue path" else traffic)
    collected(left if side == "the collector" else traffic)

    report = found()

    assert report.verdict is Verdict.FAILS
    assert f"hour 2025-11-23 00:00: {side} lacks 500 of 500 requests" in report.findings
    assert side in text(report)


def test_altered_ids_are_found_and_said_to_be_altered(traffic):
    altered = one_percent(traffic)
    count(traffic)
    collected([changed(event) if event in altered else event for event in traffic])

    report = found()

    assert report.verdict is Verdict.FAILS
    assert len(report.missing_in_queue) == len(report.missing_in_collector) == len(altered)
    assert f"ids: {len(altered)} requests have another id on either side" in " ".join(report.findings)


def changed(event: TrafficEvent) -> TrafficEvent:
    """The same request under another id."""
    import msgspec

    other = generate_idempotent_id(event.timestamp, event.client_ip_hash, event.path, "another")
    return msgspec.structs.replace(event, idempotent_id=other)


def test_a_gap_on_both_sides_is_named(traffic):
    third = (ms(START + 2 * HOUR), ms(START + 3 * HOUR))
    left = [event for event in traffic if not third[0] <= event.timestamp < third[1]]
    count(left)
    collected(left)

    report = found()

    assert report.verdict is Verdict.HOLDS
    assert report.inside.gaps == [START + 2 * HOUR]
    assert report.findings == ["gaps: 1 hours without traffic between hours with it, first 2025-11-23 00:00"]


# --- inside the queue path ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM stats_event WHERE idempotent_id = %s",
        "UPDATE stats_totalshourly SET requests = requests + 1 WHERE hour = '2025-11-22 22:00Z' AND %s <> ''",
        "UPDATE stats_pathstatshourly SET requests = requests * 2"
        " WHERE hour = '2025-11-22 22:00Z' AND route = '/route/1' AND %s <> ''",
        "DELETE FROM stats_pathstatshourly WHERE hour = '2025-11-22 22:00Z' AND %s <> ''",
    ],
    ids=["a row lost", "a total wrong", "a route doubled", "an hour's routes lost"],
)
def test_statistics_that_differ_from_their_rows_are_found(traffic, damage):
    count(traffic)
    collected(traffic)
    with connections["default"].cursor() as cursor:
        cursor.execute(damage, [traffic[0].idempotent_id])

    report = found()

    assert report.verdict is Verdict.FAILS
    assert [row.hour for row in report.inside.mismatches] == [START]
    assert any(finding.startswith("statistics of 2025-11-22 22:00: ") for finding in report.findings)


def test_what_waits_explains_what_is_missing(make_event, traffic):
    waiting = traffic[:30]
    count(traffic[40:])
    collected(traffic[30:])
    collected(waiting, "dual", "fallback", replay=True)
    for event in traffic[30:40]:
        DeadLetter.objects.create(
            event_id=event.idempotent_id, payload="{}", reason="exhausted", error="", deliveries=3
        )

    report = found()

    assert report.explained == {"waiting to be replayed": 30, "dead letters": 10, "nowhere": 0}
    assert (report.inside.fallback_waiting, report.inside.dead_letters) == (30, 10)
    assert "30 waiting to be replayed, 10 dead letters" in text(report)


# --- modes -------------------------------------------------------------------------------------------


def in_force(mode: str, since: datetime, rate: float = 0.01) -> None:
    ModeChange.objects.create(mode=mode, sample_rate=rate, changed_at=since, changed_by="ann")


def test_a_sample_is_compared_by_its_own_events(traffic):
    in_force("sample", START - HOUR, rate=0.2)
    sampled = [event for event in traffic if modes.is_sampled(event.idempotent_id, 0.2)]
    count(traffic)
    collected(sampled, "sample")

    report = found()

    assert (report.verdict, report.error) == (Verdict.HOLDS, 0.0)
    assert sum(row.queue for row in report.hours) == len(sampled)
    collected([event for event in traffic if event not in sampled][:50], "fallback")
    assert found().error == 0.0


def test_a_sampled_hour_may_differ_by_less_than_five_percent(traffic):
    in_force("sample", START - HOUR, rate=1.0)
    count(traffic)
    in_first_hour = [event for event in traffic if event.timestamp < ms(START + HOUR)]
    lost = in_first_hour[: len(in_first_hour) // 25]
    collected([event for event in traffic if event not in lost], "sample")
    assert found().verdict is Verdict.HOLDS

    CollectedEvent.objects.filter(pk__in=[event.idempotent_id for event in in_first_hour[20:30]]).delete()
    CollectedHourly.objects.all().delete()
    report = found()
    assert report.verdict is Verdict.FAILS
    assert [row.verdict for row in report.hours] == [Verdict.FAILS] + [Verdict.HOLDS] * (HOURS - 1)


def test_under_twenty_sampled_events_an_hour_are_not_enough_data(traffic):
    in_force("sample", START - HOUR, rate=0.01)
    sampled = [event for event in traffic if modes.is_sampled(event.idempotent_id, 0.01)]
    count(traffic)
    collected(sampled, "sample")
    report = found()
    assert report.verdict is Verdict.UNKNOWN
    assert {row.verdict for row in report.hours} == {Verdict.UNKNOWN}


def test_each_part_of_the_time_is_judged_by_what_was_on(traffic):
    in_force("dual", START - HOUR)
    in_force("queue", START + 2 * HOUR + timedelta(minutes=30))
    count(traffic)
    collected([event for event in traffic if event.timestamp < ms(START + 2 * HOUR + timedelta(minutes=30))])

    report = found()

    assert (report.verdict, report.error) == (Verdict.HOLDS, 0.0)
    assert [row.mode for row in report.hours] == ["dual", "dual", "dual", "queue", "queue", "queue", "queue"]


def test_moments_around_a_change_are_not_judged(traffic):
    change = START + 2 * HOUR + timedelta(minutes=30)
    in_force("dual", START - HOUR)
    in_force("queue", change)
    count(traffic)
    collected([event for event in traffic if event.timestamp < ms(change - timedelta(seconds=20))])
    assert found().error == 0.0


def test_in_mode_legacy_the_queue_path_has_to_have_what_was_collected(traffic):
    in_force("legacy", START - HOUR)
    count(traffic[100:])
    collected(traffic[50:], "legacy")
    report = found()
    assert report.missing_in_queue == [event.idempotent_id for event in traffic[50:100]]
    assert report.missing_in_collector == []
    assert report.verdict is Verdict.FAILS


# --- ids that are gone -------------------------------------------------------------------------------


def test_without_the_collector_s_ids_an_hour_is_compared_by_counts(traffic):
    count(traffic[10:])
    collected(traffic)
    CollectedEvent.objects.filter(pk__lt=f"{ms(START + HOUR)}").delete()

    report = found()

    assert [row.basis for row in report.hours] == [Basis.COUNTS] + [Basis.IDS] * (HOURS - 1)
    assert (report.hours[0].missing_in_queue, report.missing_in_queue) == (10, [])
    assert report.error == pytest.approx(10 / EVENTS)


def test_days_whose_rows_are_dropped_are_compared_by_counts(traffic):
    count(traffic)
    collected(traffic)
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM stats_event WHERE idempotent_id < %s", [f"{ms(START + 2 * HOUR)}"])
    TrafficDay.objects.filter(day=START.date()).update(sealed_at=END)

    report = found()

    assert report.verdict is Verdict.HOLDS
    assert [row.basis for row in report.hours] == [Basis.COUNTS] * 2 + [Basis.IDS] * (HOURS - 2)
    assert report.inside.mismatches == []


# --- bounds ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("since", "until", "tolerance", "message"),
    [
        (START, START, 0.01, "since: 2025-11-22 22:00 is not before 2025-11-22 22:00"),
        (START + timedelta(minutes=1), END, 0.01, "not the beginning of an hour"),
        (START, END, 0.0, "tolerance: 0.0 is no share above 0, at most 1"),
    ],
)
def test_wrong_bounds_are_named(since, until, tolerance, message):
    with pytest.raises(ValueError, match=message):
        verify(since, until, tolerance)


def test_what_has_not_settled_is_left_out():
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    report = verify(now - 3 * HOUR, now + 3 * HOUR)
    assert now - HOUR <= report.until <= now
