"""Daily rows are the merged hours of their day, whenever they hold."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from stats import background, daily, tasks
from stats.consumer import drain
from stats.estimators import estimator
from stats.estimators.top_values import TopValuesSummary
from stats.models import (
    PathStatsDaily,
    PathStatsHourly,
    TopValuesDaily,
    TotalsDaily,
    TotalsHourly,
    TrafficDay,
)
from tests.conftest import NOON

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

HOUR_MS = 3_600_000
DAY = date(2025, 11, 23)
NEXT = date(2025, 11, 24)


@pytest.fixture
def a_day(send, make_event):
    """Two routes in three hours, 30 requests of one client an hour and one more of another."""
    for hour in range(3):
        stamps = {"timestamp": NOON + hour * HOUR_MS}
        send(
            *(
                make_event(timestamp=NOON + hour * HOUR_MS + number, response_time=float(number))
                for number in range(30)
            ),
            make_event(**stamps, route="/b", client_ip_hash=f"{hour + 1:016x}", status=500),
        )
    drain()


def test_a_day_is_its_hours_merged(a_day):
    assert daily.due(NEXT) == [DAY]
    assert daily.roll_up(DAY) == daily.Merged(DAY, 2)

    items = PathStatsDaily.objects.get(route="/api/items/{id}")
    assert (items.requests, items.errors, items.distinct_clients) == (90, 0, 1)
    assert (items.response_time_min, items.response_time_max) == (0, 29)
    assert estimator().latency(items.response_times).quantiles([0.5])[0].value == 14
    total = TotalsDaily.objects.get()
    assert (total.requests, total.errors, total.status_5xx) == (93, 3, 3)
    assert estimator().clients(total.clients).estimate().estimate == 4
    methods = TopValuesSummary.from_bytes(TopValuesDaily.objects.get(kind="method").summary)
    assert [(top.value, top.lower) for top in methods.top(5)] == [("GET", 93)]


def test_a_day_that_is_merged_is_not_due_until_something_arrives(a_day, send, make_event):
    daily.roll_up(DAY)
    assert daily.due(NEXT) == []

    send(make_event(route="/late"))
    drain()
    assert not TrafficDay.objects.get().is_rolled_up
    assert daily.due(NEXT) == [DAY]
    daily.roll_up(DAY)
    assert PathStatsDaily.objects.get(route="/late").requests == 1
    assert TotalsDaily.objects.get().requests == 94


def test_today_is_not_merged(a_day):
    assert daily.due(DAY) == []


def test_merging_twice_changes_nothing(a_day):
    daily.roll_up(DAY)
    before = list(PathStatsDaily.objects.values_list("route", "requests", "response_time_sum", "p95"))
    daily.roll_up(DAY)
    assert list(PathStatsDaily.objects.values_list("route", "requests", "response_time_sum", "p95")) == before


def test_the_busiest_routes_are_kept_and_the_rest_is_other(a_day, settings):
    settings.STATS_ROUTES_PER_DAY = 1
    daily.roll_up(DAY)
    assert dict(PathStatsDaily.objects.values_list("route", "requests")) == {
        "/api/items/{id}": 90,
        "(other)": 3,
    }


def test_what_arrives_after_the_hours_were_dropped_is_added(a_day, send, make_event):
    daily.roll_up(DAY)
    PathStatsHourly.objects.all().delete()
    TotalsHourly.objects.all().delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM stats_topvalueshourly")
    TrafficDay.objects.update(hours_dropped_at=datetime.now(UTC))

    send(make_event(route="/b", client_ip_hash="f" * 16))
    drain()
    daily.roll_up(DAY)
    daily.roll_up(DAY)

    assert PathStatsDaily.objects.get(route="/b").requests == 4
    assert PathStatsDaily.objects.get(route="/b").distinct_clients == 4
    assert TotalsDaily.objects.get().requests == 94
    assert TopValuesDaily.objects.get(kind="method").requests == 94
    assert not PathStatsHourly.objects.exists()
    assert not TotalsHourly.objects.exists()


def test_two_merges_do_not_meet(a_day):
    other = connections["default"].copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [daily.LOCK_KEY])
            assert daily.roll_up(DAY) is None
        other.rollback()
        assert daily.roll_up(DAY) is not None
    finally:
        other.close()


def test_the_command_merges_what_is_due_and_says_so(a_day, capsys):
    call_command("roll_up_days", "--json")
    assert json.loads(capsys.readouterr().out) == {
        "merged": [{"day": "2025-11-23", "routes": 2}],
        "skipped": 0,
    }
    call_command("roll_up_days")
    assert "merged 0 of 0 days" in capsys.readouterr().out
    with pytest.raises(CommandError, match="--day: 'x' is no date"):
        call_command("roll_up_days", "--day", "x")
    with pytest.raises(CommandError, match="--day: no events were ever stored for 2020-01-01"):
        call_command("roll_up_days", "--day", "2020-01-01")


def test_by_the_clock_a_process_is_started_only_if_a_day_is_due(a_day, monkeypatch):
    started = []
    monkeypatch.setattr(background, "start", lambda *command, alone_as: started.append(alone_as) or True)
    tasks.roll_up_days()
    assert started == ["roll_up_days"]

    call_command("roll_up_days")
    tasks.roll_up_days()
    assert started == ["roll_up_days"]
