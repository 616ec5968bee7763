"""Overview and time series say what plain counting says, from hourly rows, daily rows and events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection, transaction

from gateway.events import TrafficEvent
from stats import daily
from stats.consumer import drain
from stats.models import PathStatsHourly, TotalsDaily, TotalsHourly, TrafficDay
from stats.reports import InvalidFilter, Range, ReportTimedOut, overview, timeseries
from stats.reports.reading import reading
from tests.conftest import BOTH
from tests.integration.report_traffic import END, FIRST, at, clients, errors, quantile, traffic, within

pytestmark = pytest.mark.django_db(transaction=True, databases=BOTH)

ALL = Range(FIRST, END)
DAYS = [date(2025, 11, 21), date(2025, 11, 22), date(2025, 11, 23)]
PARTS = [ALL, Range(at(5), at(29)), Range(at(20.5), at(71.25)), Range(at(24), at(48)), Range(at(30), at(31))]


@pytest.fixture
def events(make_event: Callable[..., TrafficEvent], send: Callable[..., int]) -> list[TrafficEvent]:
    """Three days of traffic, counted by the consumer."""
    found = traffic(make_event)
    send(*found)
    assert drain().inserted == len(found)
    return found


@pytest.fixture(params=["hours", "days"])
def rolled(request: pytest.FixtureRequest, events: list[TrafficEvent]) -> list[TrafficEvent]:
    """The same, with and without daily rows."""
    if request.param == "days":
        for day in DAYS:
            daily.roll_up(day)
    return events


@pytest.mark.parametrize("period", PARTS, ids=str)
def test_the_overview_is_what_plain_counting_gives(rolled: list[TrafficEvent], period: Range) -> None:
    expected = within(rolled, period.outward())
    found = overview(period).current
    assert found.requests == len(expected) == found.summarised
    assert (found.errors, found.error_rate) == (errors(expected), errors(expected) / len(expected))
    assert found.statuses is not None
    assert found.statuses.redirection == sum(event.status == 302 for event in expected)
    assert found.statuses.server_error == sum(event.status == 500 for event in expected)
    times = [event.response_time for event in expected]
    assert (found.minimum, found.maximum) == (min(times), max(times))
    assert found.mean == pytest.approx(sum(times) / len(times))
    assert found.response_bytes == sum(event.response_bytes for event in expected)
    assert found.clients is not None
    assert found.clients.lower <= clients(expected) <= found.clients.upper
    for rank, estimate in ((0.5, found.p50), (0.9, found.p90), (0.95, found.p95), (0.99, found.p99)):
        assert estimate is not None
        exact = quantile(expected, rank)
        assert estimate.lower <= exact * 1.001
        assert exact <= estimate.upper * 1.001
        assert not estimate.is_exact or estimate.value == pytest.approx(exact, rel=1e-6)


def test_few_requests_are_exact_and_say_so(events: list[TrafficEvent]) -> None:
    period = Range(at(30), at(40))
    found = overview(period).current
    assert found.p99 is not None
    assert found.clients is not None
    assert found.p99.is_exact
    assert found.p99.lower == found.p99.value == found.p99.upper
    assert (found.clients.estimate, found.clients.is_exact) == (clients(within(events, period)), True)


def test_the_overview_holds_the_period_of_equal_length_before(events: list[TrafficEvent]) -> None:
    found = overview(Range(at(24), at(48)))
    assert found.previous.requests == len(within(events, Range(at(0), at(24))))
    assert (found.previous_coverage.start, found.previous_coverage.end) == (at(0), at(24))


def test_an_overview_without_requests_has_zeros_and_no_quantiles(events: list[TrafficEvent]) -> None:
    found = overview(Range(at(-100), at(-90))).current
    assert (found.requests, found.errors, found.error_rate, found.response_bytes) == (0, 0, 0.0, 0)
    assert (found.mean, found.p95) == (None, None)
    assert found.clients is not None
    assert found.clients.estimate == 0


def test_a_method_is_counted_from_the_events_exactly(events: list[TrafficEvent]) -> None:
    period = Range(at(5), at(29))
    expected = [event for event in within(events, period) if event.method == "POST"]
    found = overview(period, method="POST")
    assert found.coverage.reaches_back_to is None
    assert (found.current.requests, found.current.errors) == (len(expected), errors(expected))
    assert found.current.p95 is not None
    assert (found.current.p95.value, found.current.p95.is_exact) == (quantile(expected, 0.95), True)
    assert found.current.clients is not None
    assert (found.current.clients.estimate, found.current.clients.is_exact) == (clients(expected), True)


def test_what_is_made_of_events_says_how_far_it_reaches_back(events: list[TrafficEvent]) -> None:
    TrafficDay.objects.filter(day=DAYS[0]).update(sealed_at=datetime(2025, 12, 1, tzinfo=UTC))
    assert overview(ALL, method="GET").coverage.reaches_back_to == at(24)
    assert timeseries(Range(at(23), at(26)), "minute").coverage.reaches_back_to == at(24)
    assert timeseries(Range(at(24), at(26)), "minute").coverage.reaches_back_to is None
    assert overview(Range(at(3), at(12)), method="GET").coverage.reaches_back_to == at(24)
    assert overview(ALL).coverage.reaches_back_to is None


def test_a_day_whose_daily_rows_are_out_of_date_is_read_from_its_hours(
    events: list[TrafficEvent], make_event: Callable[..., TrafficEvent], send: Callable[..., int]
) -> None:
    daily.roll_up(DAYS[1])
    send(make_event(timestamp=round(at(30).timestamp() * 1000)))
    drain()
    assert TotalsDaily.objects.get(day=DAYS[1]).requests == len(within(events, Range(at(24), at(48))))
    assert overview(ALL).current.requests == len(events) + 1


def test_a_day_without_hours_is_whole_or_left_out_and_named(events: list[TrafficEvent]) -> None:
    for day in DAYS:
        daily.roll_up(day)
    _drop_hours(DAYS[0])
    assert overview(ALL).current.requests == len(events)
    cut = overview(Range(at(12), at(48)))
    assert cut.coverage.incomplete_days == (DAYS[0],)
    assert cut.current.requests == len(within(events, Range(at(24), at(48))))


def test_what_comes_after_the_hours_were_dropped_is_counted_at_once(
    events: list[TrafficEvent], make_event: Callable[..., TrafficEvent], send: Callable[..., int]
) -> None:
    daily.roll_up(DAYS[0])
    _drop_hours(DAYS[0])
    send(make_event(timestamp=round(at(3).timestamp() * 1000)))
    drain()
    assert overview(ALL).current.requests == len(events) + 1
    daily.roll_up(DAYS[0])
    assert overview(ALL).current.requests == len(events) + 1


def test_rows_from_before_summaries_are_counted_and_say_what_they_lack(events: list[TrafficEvent]) -> None:
    TotalsHourly.objects.filter(hour__lt=at(12)).update(
        response_times=b"", clients=b"", p95=0, distinct_clients=0
    )
    found = overview(ALL).current
    assert found.requests == len(events)
    assert found.summarised == len(within(events, Range(at(12), END)))
    assert found.p95 is not None
    assert not found.p95.is_exact  # of all requests, though each that it knows is known exactly
    assert found.clients is not None
    assert (found.clients.is_lower_bound, found.clients.upper, found.clients.is_exact) == (True, None, False)
    first = timeseries(Range(at(0), at(3)), "hour").buckets[0]
    assert first.requests > 0
    assert (first.p95, first.clients) == (None, None)


def test_a_damaged_summary_does_not_stop_a_report(events: list[TrafficEvent]) -> None:
    TotalsHourly.objects.filter(hour=at(1)).update(response_times=b"LS damaged", clients=b"CS damaged")
    found = overview(ALL).current
    assert found.requests == len(events)
    assert found.summarised == len(events) - len(within(events, Range(at(1), at(2))))
    assert found.clients is not None
    assert found.clients.is_lower_bound


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"])
@pytest.mark.parametrize(("step", "period"), [("hour", Range(at(5), at(29))), ("day", ALL)])
def test_a_series_has_every_bucket_and_all_requests(
    rolled: list[TrafficEvent], zone: str, step: str, period: Range
) -> None:
    series = timeseries(replace(period, zone=zone), step)
    assert series.estimated == ("p95", "clients")
    assert (series.buckets[0].start, series.buckets[-1].end) == (period.start, period.end)
    assert all(first.end == second.start for first, second in pairwise(series.buckets))
    for bucket in series.buckets:
        expected = within(rolled, Range(bucket.start, bucket.end))
        assert bucket.requests == len(expected)
        assert bucket.errors == errors(expected)
        assert bucket.clients == clients(expected)
        assert bucket.start.tzinfo is not None
        assert str(bucket.start.tzinfo) == zone
        if expected:
            assert bucket.p95 == pytest.approx(quantile(expected, 0.95), rel=1e-6)


@pytest.mark.parametrize(("step", "period"), [("hour", Range(at(5), at(29))), ("day", ALL)])
def test_a_series_has_more_percentiles_where_they_are_wanted(
    rolled: list[TrafficEvent], step: str, period: Range
) -> None:
    plain, series = timeseries(period, step), timeseries(period, step, has_quantiles=True)
    assert series.estimated == ("p50", "p95", "p99", "clients")
    assert [each.p95 for each in series.buckets] == pytest.approx([each.p95 for each in plain.buckets])
    assert [each.clients for each in series.buckets] == [each.clients for each in plain.buckets]
    for bucket, without in zip(series.buckets, plain.buckets, strict=True):
        expected = within(rolled, Range(bucket.start, bucket.end))
        exact = [quantile(expected, rank) for rank in (0.5, 0.99)] if expected else [None, None]
        assert [bucket.p50, bucket.p99] == pytest.approx(exact, rel=1e-6)
        assert (without.p50, without.p99) == (None, None)


def test_days_of_a_zone_begin_at_its_midnights_and_half_hours_are_rounded_back(store: None) -> None:
    def starts(zone: str) -> list[datetime]:
        return [found.start for found in timeseries(Range(at(0), at(48), zone), "day").buckets]

    assert starts("UTC") == [at(0), at(24)]
    assert starts("Europe/Berlin") == [at(0), at(23), at(47)]
    assert starts("Asia/Kolkata") == [at(0), at(18), at(42)]  # midnight is 18:30 UTC


def test_a_day_with_a_change_of_the_clock_has_25_hours(store: None) -> None:
    start = datetime(2025, 10, 24, 22, tzinfo=UTC)
    found = timeseries(Range(start, start + timedelta(hours=73), "Europe/Berlin"), "day").buckets
    assert [Range(each.start, each.end).length / timedelta(hours=1) for each in found] == [24, 25, 24]


def test_minutes_come_from_the_events(events: list[TrafficEvent]) -> None:
    series = timeseries(Range(at(10), at(13)), "minute")
    assert len(series.buckets) == 180
    assert series.estimated == ()
    expected = within(events, Range(at(10), at(13)))
    assert sum(found.requests for found in series.buckets) == len(expected)
    busy = next(found for found in series.buckets if found.requests)
    inside = within(events, Range(busy.start, busy.end))
    assert (busy.requests, busy.clients) == (len(inside), clients(inside))
    assert (busy.p50, busy.p95, busy.p99) == tuple(quantile(inside, rank) for rank in (0.5, 0.95, 0.99))


def test_a_series_of_one_route_and_of_one_method(events: list[TrafficEvent]) -> None:
    of_route = [event for event in events if event.route == "/slow"]
    assert sum(found.requests for found in timeseries(ALL, "hour", route="/slow").buckets) == len(of_route)
    of_both = [event for event in of_route if event.method == "POST"]
    series = timeseries(ALL, "day", route="/slow", method="POST")
    assert sum(found.requests for found in series.buckets) == len(of_both)


def test_hours_reach_back_as_far_as_hourly_rows_are_kept(events: list[TrafficEvent]) -> None:
    for day in DAYS:
        daily.roll_up(day)
    _drop_hours(DAYS[0])
    series = timeseries(ALL, "hour")
    assert series.coverage.reaches_back_to == at(24)
    assert len(series.buckets) == 72
    assert sum(found.requests for found in series.buckets) == len(within(events, Range(at(24), END)))
    assert timeseries(ALL, "day").coverage.reaches_back_to is None
    assert timeseries(replace(ALL, zone="Europe/Berlin"), "day").coverage.reaches_back_to == at(24)


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda: timeseries(Range(at(0), at(26)), "minute"), "step"),
        (lambda: timeseries(ALL, "week"), "step"),
        (lambda: Range(at(2), at(1)), "end"),
        (lambda: Range(at(0).replace(tzinfo=None), at(1)), "start"),
        (lambda: Range(at(0), at(1), "Mars/Olympus"), "zone"),
        (lambda: Range(at(0), at(1), "../../etc/passwd"), "zone"),
        (lambda: Range(at(-24 * 366 * 26), at(1)), "start"),
        (lambda: Range.last("a while"), "last"),
        (lambda: Range.last("99999d"), "last"),
        (lambda: overview(ALL, method="X" * 17), "method"),
        (lambda: overview(ALL, method="a\0b"), "method"),
        (lambda: timeseries(ALL, route="\ud800"), "route"),
    ],
)
def test_a_bad_filter_is_named(store: None, ask: Callable[[], object], field: str) -> None:
    with pytest.raises(InvalidFilter) as refused:
        ask()
    assert refused.value.field == field
    assert str(refused.value).startswith(f"{field}: ")


def test_the_last_hours_end_with_the_running_one() -> None:
    now = datetime(2025, 11, 23, 12, 13, 14, tzinfo=UTC)
    assert Range.last("24h", now=now) == Range(at(37), at(61))
    assert Range.last("90m", now=now).end == now.replace(minute=14, second=0)
    on_the_hour = now.replace(minute=0, second=0)
    assert Range.last("24h", now=on_the_hour) == Range(at(37), at(61))


def test_the_last_days_are_whole_days_of_the_zone_and_end_with_today() -> None:
    now = datetime(2025, 11, 23, 12, 13, 14, tzinfo=UTC)
    assert Range.last("3d", now=now) == Range(at(0), at(61))
    assert Range.last("1d", "Europe/Berlin", now) == Range(at(47), at(61), "Europe/Berlin")
    assert Range.last("2d", "Asia/Kolkata", now) == Range(at(18), at(61), "Asia/Kolkata")
    late = now.replace(hour=23)  # the 24th in Berlin
    assert Range.last("1d", "Europe/Berlin", late) == Range(at(71), at(72), "Europe/Berlin")


def test_a_report_sees_one_moment_whatever_is_counted_meanwhile(
    events: list[TrafficEvent], make_event: Callable[..., TrafficEvent], send: Callable[..., int]
) -> None:
    with reading() as cursor:
        cursor.execute("SELECT sum(requests) FROM stats_totalshourly")
        before = cursor.fetchone()[0]
        other = connection.copy()
        try:
            with other.cursor() as second:
                second.execute("UPDATE stats_totalshourly SET requests = requests + 1")
        finally:
            other.close()
        assert overview(ALL).current.requests == before
    assert overview(ALL).current.requests > before


def test_a_report_inside_a_transaction_sees_what_that_did(events: list[TrafficEvent]) -> None:
    with transaction.atomic():
        TotalsHourly.objects.filter(hour=at(3)).delete()
        gone = within(events, Range(at(3), at(4)))
        assert overview(ALL).current.requests == len(events) - len(gone)


def test_the_longest_range_has_one_before_it(store: None) -> None:
    longest = Range(datetime(2001, 1, 2, tzinfo=UTC), datetime(2021, 1, 2, tzinfo=UTC))
    assert overview(longest).previous_coverage.start.year == 1981


def test_a_report_that_takes_too_long_is_ended(store: None) -> None:
    with pytest.raises(ReportTimedOut, match=r"longer than 0\.1 s"), reading(0.1) as cursor:
        cursor.execute("SELECT pg_sleep(5)")
    assert overview(ALL).current.requests == 0


def _drop_hours(day: date) -> None:
    """As retention does."""
    first = datetime(day.year, day.month, day.day, tzinfo=UTC)
    for model in (TotalsHourly, PathStatsHourly):
        model.objects.filter(hour__gte=first, hour__lt=first + timedelta(days=1)).delete()
    TrafficDay.objects.filter(day=day).update(hours_dropped_at=datetime.now(UTC))


def test_rollup_reports_never_read_the_events(events: list[TrafficEvent]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE stats_event RENAME TO stats_event_away")
    try:
        assert overview(ALL).current.requests == len(events)
        assert timeseries(ALL, "hour").buckets
        assert timeseries(ALL, "day").buckets
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE stats_event_away RENAME TO stats_event")
