"""Rollups say what an independent count of the same events says, and stay bounded."""

from __future__ import annotations

import math
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway import queue
from gateway.idempotency import hash_ip
from stats import daily, rollups
from stats.consumer import drain
from stats.estimators import estimator
from stats.estimators.top_values import TopValuesSummary
from stats.models import (
    DeadLetter,
    Event,
    PathStatsHourly,
    Rollup,
    TopValuesDaily,
    TopValuesHourly,
    TotalsHourly,
    TrafficDay,
)
from tests.conftest import NOON, ROLLUPS

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

HOUR_MS = 3_600_000


def client(number: int) -> str:
    return hash_ip(f"192.0.2.{number}")


def figures(row: Rollup) -> tuple[object, ...]:
    """What the row's summaries answer, next to the row's own columns."""
    latency = estimator().latency(row.response_times)
    distinct = estimator().clients(row.clients).estimate()
    (p50, p95) = (quantile.value for quantile in latency.quantiles([0.5, 0.95]))
    assert (row.p95, row.distinct_clients) == (p95, distinct.estimate)
    return latency.count, p50, p95, distinct.estimate


def exact(events: list[Event]) -> tuple[object, ...]:
    """The same by sorting and counting. The quantile is the nearest rank, inclusive."""
    times = sorted(event.response_time for event in events)
    ranks = [times[max(0, math.ceil(rank * len(times)) - 1)] for rank in (0.5, 0.95)]
    return len(events), *ranks, len({event.client_ip_hash for event in events})


def test_a_row_s_summaries_are_those_of_its_events(send, make_event):
    for number in range(120):
        send(make_event(response_time=float(number), client_ip_hash=client(number % 7)))
        if number % 40 == 39:
            drain()  # the summaries go on where the last transaction ended

    assert figures(PathStatsHourly.objects.get()) == (120, 59.0, 113.0, 7)
    assert figures(TotalsHourly.objects.get()) == (120, 59.0, 113.0, 7)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["/a", "/b", "/a:b"]),
            st.integers(0, 2),  # hours
            st.integers(0, 10**6).map(float),  # ms: summaries keep seven digits
            st.integers(1, 9),  # clients
            st.sampled_from([200, 301, 404, 503]),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_any_events_are_rolled_up_as_an_independent_count_says(send, make_event, requests):
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE stats_event, " + ", ".join(ROLLUPS))
    for route, hour, milliseconds, number, status in requests:
        event = make_event(
            timestamp=NOON + hour * HOUR_MS + make_event().timestamp % 1000,
            route=route,
            response_time=milliseconds,
            client_ip_hash=client(number),
            status=status,
        )
        send(event, event)
        send(event)
    drain()

    rows = list(Event.objects.all())
    for hour in TotalsHourly.objects.all():
        assert figures(hour) == exact([row for row in rows if row.timestamp // HOUR_MS == hours(hour.hour)])
    for each in PathStatsHourly.objects.all():
        held = [
            row for row in rows if (row.route, row.timestamp // HOUR_MS) == (each.route, hours(each.hour))
        ]
        assert (each.requests, *figures(each)) == (len(held), *exact(held))
    assert sum(total.requests for total in TotalsHourly.objects.all()) == len(rows)
    counted = Counter(str(row.status) for row in rows)
    assert top_values("status") == sorted(counted.items(), key=lambda item: (-item[1], item[0]))


def hours(moment: datetime) -> int:
    return int(moment.timestamp()) // 3600


def top_values(kind: str) -> list[tuple[str, int]]:
    merged = TopValuesSummary.for_reading()
    for row in TopValuesHourly.objects.filter(kind=kind):
        summary = TopValuesSummary.from_bytes(row.summary)
        assert summary.total == row.requests
        merged.merge(summary)
    return [(top.value, top.lower) for top in merged.top(10)]


def test_the_values_that_came_most_often_are_kept_by_kind(send, make_event):
    send(
        *(make_event(user_agent="curl", country="DE", method="POST") for _ in range(3)),
        make_event(user_agent="", country="", client_ip_hash=client(9)),
    )
    drain()

    assert top_values("user_agent") == [("curl", 3), ("", 1)]
    assert top_values("country") == [("DE", 3), ("", 1)]
    assert top_values("method") == [("POST", 3), ("GET", 1)]
    assert top_values("client") == [(client(1), 3), (client(9), 1)]


def test_a_redelivery_changes_no_summary(send, make_event):
    events = [make_event(response_time=float(number)) for number in range(5)]
    send(*events)
    drain()
    before = list(PathStatsHourly.objects.values()), list(TotalsHourly.objects.values())

    send(*events)
    totals = drain()

    assert (totals.batches, totals.duplicates, queue.depth().batches) == (1, 5, 0)
    assert (list(PathStatsHourly.objects.values()), list(TotalsHourly.objects.values())) == before


def test_a_scanner_costs_a_bounded_number_of_rows(send, make_event, settings):
    settings.STATS_ROUTES_PER_HOUR = 50
    for start in range(0, 400, 100):
        send(*(make_event(route=f"/scan/{number}") for number in range(start, start + 100)))
        drain()
    send(make_event(route="/scan/7"))
    drain()

    rows = dict(PathStatsHourly.objects.values_list("route", "requests"))
    assert len(rows) == 51
    assert (rows["(other)"], rows["/scan/7"], sum(rows.values())) == (350, 2, 401)
    # The capped route is stored with the event, so rows and rollups agree.
    assert Event.objects.filter(route="(other)").count() == 350
    assert DeadLetter.objects.count() == 0


def test_each_hour_has_room_of_its_own(send, make_event, settings):
    settings.STATS_ROUTES_PER_HOUR = 1
    send(make_event(route="/a"), make_event(route="/b", timestamp=NOON + HOUR_MS))
    drain()

    assert sorted(PathStatsHourly.objects.values_list("route", flat=True)) == ["/a", "/b"]


def test_a_summary_that_can_not_be_read_begins_anew_and_counting_goes_on(send, make_event):
    send(make_event())
    drain()
    PathStatsHourly.objects.update(response_times=b"damaged", clients=b"\x00")
    TopValuesHourly.objects.update(summary=b"damaged")

    send(make_event(), make_event())
    drain()

    row = PathStatsHourly.objects.get()
    assert (row.requests, estimator().latency(row.response_times).count) == (3, 2)
    distinct = estimator().clients(row.clients).estimate()
    assert (distinct.is_exact, distinct.is_lower_bound, distinct.lower) == (False, True, 1)
    methods = TopValuesHourly.objects.get(kind="method")
    assert (methods.requests, TopValuesSummary.from_bytes(methods.summary).total) == (3, 2)
    assert DeadLetter.objects.count() == 0
    daily.roll_up(datetime.fromtimestamp(NOON / 1000, UTC).date())
    assert TopValuesDaily.objects.get(kind="method").requests == 3


def test_an_event_of_a_sealed_day_is_a_dead_letter_and_changes_nothing(send, make_event):
    send(make_event())
    drain()
    TrafficDay.objects.update(sealed_at=datetime.now(UTC))
    yesterday = make_event(timestamp=NOON - 86_400_000)

    send(make_event(), yesterday)
    drain()

    letter = DeadLetter.objects.get()
    assert letter.reason == DeadLetter.Reason.LATE
    assert "timestamp" in letter.error
    assert Event.objects.count() == 2
    assert sum(PathStatsHourly.objects.values_list("requests", flat=True)) == 2


def test_no_partition_is_made_for_a_sealed_day(send, make_event):
    day = (datetime.fromtimestamp(NOON / 1000, UTC) - timedelta(days=400)).date()
    TrafficDay.objects.create(day=day, sealed_at=datetime.now(UTC))
    send(make_event(timestamp=NOON - 400 * 86_400_000))
    drain()

    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [f"stats_event_{day:%Y%m%d}"])
        assert cursor.fetchone() == (None,)
    assert DeadLetter.objects.get().reason == DeadLetter.Reason.LATE


def test_a_day_s_version_says_that_something_was_stored(send, make_event):
    versions = []
    for _ in range(2):
        send(make_event())
        drain()
        versions.append(TrafficDay.objects.get().version)

    assert versions[1] > versions[0]


def test_a_row_that_someone_else_wrote_meanwhile_is_read_again(send, make_event):
    send(make_event(response_time=10.0))
    drain()
    row = PathStatsHourly.objects.get()
    latency = estimator().latency(row.response_times)
    latency.update([20.0])
    PathStatsHourly.objects.update(response_times=latency.to_bytes(), requests=2)

    send(make_event(response_time=30.0))
    drain()

    row = PathStatsHourly.objects.get()
    assert estimator().latency(row.response_times).quantiles([0, 0.5, 1])[1].value == 20.0
    assert row.requests == 3


def test_a_row_that_was_removed_begins_anew(send, make_event):
    send(make_event(response_time=10.0))
    drain()
    PathStatsHourly.objects.all().delete()

    send(make_event(response_time=30.0))
    drain()

    assert estimator().latency(PathStatsHourly.objects.get().response_times).count == 1


def test_a_transaction_that_ends_badly_leaves_no_trace_in_the_summaries(
    send, make_event, settings, monkeypatch
):
    for number in range(3):
        send(make_event(response_time=float(number), client_ip_hash=client(number)))
        drain()
    really_finish, failures = queue.finish, 0

    def finish(claims):
        nonlocal failures
        failures += 1
        if failures <= 2:  # after everything was written
            raise RuntimeError("no room")
        really_finish(claims)

    monkeypatch.setattr(queue, "finish", finish)
    settings.TRAFFIC_RETRY_DELAY = 0
    for number in range(3, 6):
        send(make_event(response_time=float(number), client_ip_hash=client(number)))
        for _ in range(5):
            drain()

    assert failures == 5
    assert figures(PathStatsHourly.objects.get()) == exact(list(Event.objects.all())) == (6, 2.0, 5.0, 6)


def test_what_this_process_wrote_last_is_not_read_again(send, make_event, monkeypatch):
    send(make_event(response_time=10.0), make_event(response_time=20.0))
    drain()
    monkeypatch.setattr(rollups, "read", lambda *stored: pytest.fail("it is remembered"))

    send(make_event(response_time=30.0))
    drain()

    assert estimator().latency(PathStatsHourly.objects.get().response_times).count == 3


def test_the_rows_of_an_hour_are_found_without_reading_those_of_all_others(make_event, monkeypatch):
    """With thousands of keys: what a transaction costs must not grow with the months that are kept."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO stats_pathstatshourly (route, hour, requests, errors, response_time_sum,"
            " response_time_min, response_time_max, response_bytes, status_1xx, status_2xx, status_3xx,"
            " status_4xx, status_5xx)"
            " SELECT '/r' || route, '2025-01-01Z'::timestamptz + hour * interval '1 h',"
            " 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 0"
            " FROM generate_series(1, 1000) AS route, generate_series(1, 40) AS hour"
        )
        cursor.execute("ANALYZE stats_pathstatshourly")
    really_execute, plans = rollups.execute_bound, []

    def explain(sql, parameters):
        if "JOIN" in sql and "stats_pathstatshourly" in sql:
            plans.extend(row[0] for row in really_execute("EXPLAIN " + sql, parameters))
        return really_execute(sql, parameters)

    monkeypatch.setattr(rollups, "execute_bound", explain)
    with transaction.atomic():
        rollups.Rollup([make_event(route=f"/r{number}") for number in range(3_000)])

    assert any("stats_pathstatshourly" in line for line in plans)
    assert not [line for line in plans if "Seq Scan" in line]
