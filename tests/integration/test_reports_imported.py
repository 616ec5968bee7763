"""Imported hours are in every report that counts, say that they are, and give way to the first event."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from gateway.events import TrafficEvent
from stats import daily, snapshot, tokens
from stats.consumer import drain
from stats.models import ApiToken, ImportedHourly, TotalsHourly, TrafficDay
from stats.reports import Range, kept, overview, route, routes, timeseries, top_values
from stats.retention import apply, hours
from tests.conftest import BOTH
from tests.integration.archive_days import archive_in, grow_old
from tests.integration.report_traffic import (
    END,
    at,
    by_route,
    clients,
    errors,
    milliseconds,
    quantile,
    traffic,
    within,
)

pytestmark = pytest.mark.django_db(transaction=True, databases=BOTH)

ALL = Range(at(-48), END)
DAYS = [date(2025, 11, 21), date(2025, 11, 22), date(2025, 11, 23)]
GAP = range(40, 44)  # hours without events, in the middle of the second day
IMPORTED = [*range(-30, 0), *range(4), *GAP, 50]  # of which 0 to 3 and 50 have events


def load(
    hours: Iterable[float] = IMPORTED, names: Sequence[str] = ("/slow", "/old"), requests: int = 100
) -> None:
    """Of each hour `requests` to the first route, one less to each next one; a tenth of them failed."""
    ImportedHourly.objects.bulk_create(
        ImportedHourly(
            route=name, hour=at(hour), requests=requests - place, errors=requests // 10, source="old.csv"
        )
        for hour in hours
        for place, name in enumerate(names)
    )


def alive(period: Range) -> list[int]:
    """The imported hours of a range that count."""
    return [n for n in (*range(-30, 0), *GAP) if period.start <= at(n) < period.end]


@pytest.fixture
def events(make_event: Callable[..., TrafficEvent], send: Callable[..., int]) -> list[TrafficEvent]:
    """Three days of traffic without a gap but the one, counted by the consumer."""
    kept.forget()
    found = [
        event
        for event in traffic(make_event)
        if not (milliseconds(at(GAP[0])) <= event.timestamp < milliseconds(at(GAP[-1] + 1)))
    ]
    send(*found)
    assert drain().inserted == len(found)
    return found


@pytest.fixture(params=["hours", "days"])
def imported(request: pytest.FixtureRequest, events: list[TrafficEvent]) -> list[TrafficEvent]:
    """The events, with and without daily rows; imported are hours before them, in their gap and of theirs."""
    if request.param == "days":
        for day in DAYS:
            daily.roll_up(day)
    load()
    return events


# --- they count ------------------------------------------------------------------------------------


@pytest.mark.parametrize("period", [ALL, Range(at(5), at(42)), Range(at(-20), at(72))], ids=str)
def test_they_are_in_the_overview_and_only_their_counts_are(
    imported: list[TrafficEvent], period: Range
) -> None:
    expected, lives = within(imported, period), len(alive(period))
    found = overview(period).current
    assert (found.requests, found.imported) == (len(expected) + 199 * lives, 199 * lives)
    assert found.errors == errors(expected) + 20 * lives
    assert found.error_rate == found.errors / found.requests
    times = [event.response_time for event in expected]
    assert found.mean == pytest.approx(sum(times) / len(times))
    assert (found.minimum, found.maximum) == (min(times), max(times))
    assert found.response_bytes == sum(event.response_bytes for event in expected)
    assert found.statuses is not None
    assert found.statuses.server_error == sum(event.status == 500 for event in expected)
    assert found.summarised == len(expected)
    assert found.p95 is not None
    assert not found.p95.is_exact
    assert found.p95.value == pytest.approx(quantile(expected, 0.95), rel=0.05)
    assert found.clients is not None
    assert (found.clients.estimate, found.clients.is_lower_bound) == (clients(expected), True)
    assert (found.clients.upper, found.clients.is_exact) == (None, False)


def test_where_there_is_nothing_else_all_but_the_counts_is_unknown_and_not_zero(
    imported: list[TrafficEvent],
) -> None:
    found = overview(Range(at(-30), at(0)))
    assert (found.data_source, found.current.requests, found.current.imported) == ("queue", 5_970, 5_970)
    assert (found.current.errors, found.current.error_rate) == (600, 600 / 5_970)
    unknown = ("statuses", "response_bytes", "mean", "minimum", "maximum", "p50", "p99", "clients")
    assert [getattr(found.current, name) for name in unknown] == [None] * len(unknown)
    assert found.current.summarised == 0
    assert found.previous.imported == 0


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("step", ["hour", "day"])
def test_they_are_in_the_steps_of_a_series(imported: list[TrafficEvent], step: str, zone: str) -> None:
    series = timeseries(Range(ALL.start, ALL.end, zone), step)
    assert sum(bucket.imported for bucket in series.buckets) == 199 * len(alive(ALL))
    for bucket in series.buckets:
        period = Range(bucket.start, bucket.end)
        expected, lives = within(imported, period), len(alive(period))
        assert (bucket.requests, bucket.imported) == (len(expected) + 199 * lives, 199 * lives)
        assert bucket.errors == errors(expected) + 20 * lives
        if expected:
            assert bucket.clients == clients(expected)
            assert bucket.p95 == pytest.approx(quantile(expected, 0.95), rel=0.01)
            assert bucket.mean == pytest.approx(sum(one.response_time for one in expected) / len(expected))
        elif lives:
            assert (bucket.clients, bucket.p95, bucket.mean, bucket.statuses) == (None, None, None, None)


def test_a_series_of_one_route_has_its_own(imported: list[TrafficEvent]) -> None:
    for name, requests in (("/slow", 100), ("/old", 99), ("/api/users", 0)):
        for step in ("hour", "day"):
            series = timeseries(ALL, step, route=name)
            assert sum(bucket.imported for bucket in series.buckets) == requests * len(alive(ALL))
    found = route("/slow", Range(at(24), END))
    expected = by_route(within(imported, Range(at(24), END)))["/slow"]
    assert (found.current.requests, found.current.imported) == (len(expected) + 400, 400)
    assert found.previous.imported == 100 * len(alive(Range(at(-24), at(24))))
    assert found.mix_of == len(expected)


@pytest.mark.parametrize("sort", ["requests", "errors", "error_rate", "p95", "clients"])
def test_routes_are_in_the_order_of_all_that_is_known(imported: list[TrafficEvent], sort: str) -> None:
    lives = len(alive(ALL))
    groups = {**by_route(imported), "/old": []}
    extra = {"/slow": 100 * lives, "/old": 99 * lives}
    failed = {"/slow": 10 * lives, "/old": 10 * lives}
    requests = {name: len(group) + extra.get(name, 0) for name, group in groups.items()}
    bad = {name: errors(group) + failed.get(name, 0) for name, group in groups.items()}
    values: dict[str, Callable[[str], float]] = {
        "requests": lambda name: requests[name],
        "errors": lambda name: bad[name],
        "error_rate": lambda name: bad[name] / requests[name],
        "p95": lambda name: quantile(groups[name], 0.95) if groups[name] else 0,
        "clients": lambda name: clients(groups[name]),
    }
    found = routes(ALL, sort=sort)

    assert found.total == len(groups)
    assert [values[sort](row.route) for row in found.rows] == pytest.approx(
        sorted(map(values[sort], groups), reverse=True), rel=0.01
    )
    for row in found.rows:
        assert (row.figures.requests, row.matching) == (requests[row.route], requests[row.route])
        assert (row.figures.errors, row.figures.imported) == (bad[row.route], extra.get(row.route, 0))
        assert (row.figures.clients is None) == (row.route == "/old")
    pages = [routes(ALL, sort=sort, limit=3, offset=offset).rows for offset in range(0, len(groups), 3)]
    assert [row.route for page in pages for row in page] == [row.route for row in found.rows]


def test_they_are_found_by_a_search_and_belong_to_no_status_class(imported: list[TrafficEvent]) -> None:
    assert [row.route for row in routes(ALL, search="/OL").rows] == ["/old"]
    expected = {
        name: sum(event.status // 100 == 5 for event in group)
        for name, group in by_route(imported).items()
        if any(event.status // 100 == 5 for event in group)
    }
    assert {row.route: row.matching for row in routes(ALL, status_class="5xx").rows} == expected


def test_top_values_know_the_events_only(imported: list[TrafficEvent]) -> None:
    assert top_values("method", ALL).total == len(imported)


def test_an_import_is_in_the_next_answer_though_merges_are_kept(events: list[TrafficEvent]) -> None:
    before = overview(ALL).current, routes(ALL).rows, timeseries(ALL, "day").buckets
    load()
    assert overview(ALL).current.imported == 199 * len(alive(ALL))
    assert next(row for row in routes(ALL).rows if row.route == "/slow").figures.imported == 3_400
    assert sum(bucket.imported for bucket in timeseries(ALL, "day").buckets) == 199 * len(alive(ALL))
    ImportedHourly.objects.all().delete()
    assert (overview(ALL).current, routes(ALL).rows, timeseries(ALL, "day").buckets) == before


def test_without_any_import_no_report_asks_for_more_than_whether_there_is_one(
    events: list[TrafficEvent],
) -> None:
    daily.roll_up(DAYS[0])
    for ask in (lambda: overview(ALL), lambda: routes(ALL, sort="p95"), lambda: timeseries(ALL, "hour")):
        with CaptureQueriesContext(connection) as captured:
            ask()
        about = [entry["sql"] for entry in captured if "stats_importedhourly" in entry["sql"]]
        assert about
        assert all(
            sql.lstrip().startswith("SELECT EXISTS (SELECT FROM stats_importedhourly") for sql in about
        )


def test_the_snapshot_says_what_of_it_was_imported(store: None) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    ImportedHourly.objects.create(route="/old", hour=hour, requests=7, errors=1, source="x")
    assert snapshot.refresh()
    found = snapshot.read()
    assert (found.data_source, found.overview.current.imported) == ("snapshot", 7)
    assert [row.figures.imported for row in found.routes.rows] == [7]


# --- they give way ---------------------------------------------------------------------------------


def test_one_event_of_an_hour_is_enough_for_the_whole_hour(
    store: None, make_event: Callable[..., TrafficEvent], send: Callable[..., int]
) -> None:
    load([0, 1])
    assert overview(Range(at(0), at(2))).current.requests == 398

    send(make_event(timestamp=milliseconds(at(1.5)), route="/other"))
    assert overview(Range(at(0), at(2))).current.requests == 398  # it waits in the queue
    drain()

    found = overview(Range(at(0), at(2))).current
    assert (found.requests, found.imported) == (200, 199)
    assert {row.route: row.matching for row in routes(Range(at(0), at(2))).rows} == {
        "/slow": 100,
        "/old": 99,
        "/other": 1,
    }
    assert [bucket.requests for bucket in timeseries(Range(at(0), at(2)), "hour").buckets] == [199, 1]


def drop_hours_of(day: date, settings: Any, folder: Path) -> None:
    """As the retention does, once the day is archived, dropped and merged, and old enough."""
    settings.STORAGES = archive_in(folder)
    daily.roll_up(day)
    grow_old(day, days=91)
    for _ in range(2):  # it drops the events, and then the hours
        done = apply()
    assert (done.problems, TrafficDay.objects.get(day=day).hours_dropped_at is not None) == ([], True)
    assert not TotalsHourly.objects.filter(hour__date=day).exists()


def test_it_stays_so_when_the_hours_of_the_events_are_dropped(
    events: list[TrafficEvent], settings: Any, tmp_path: Path
) -> None:
    load()
    before = [bucket.requests for bucket in timeseries(ALL, "day").buckets]
    total = overview(ALL).current.requests

    for day in DAYS[:2]:
        drop_hours_of(day, settings, tmp_path)

    assert overview(ALL).current.requests == total
    assert [bucket.requests for bucket in timeseries(ALL, "day").buckets] == before
    superseded = ImportedHourly.objects.exclude(superseded_at=None)
    assert set(superseded.values_list("hour", flat=True)) == {at(number) for number in range(4)}


def test_it_stays_so_for_what_arrives_after_that(
    events: list[TrafficEvent],
    make_event: Callable[..., TrafficEvent],
    send: Callable[..., int],
    settings: Any,
    tmp_path: Path,
) -> None:
    load()
    drop_hours_of(DAYS[1], settings, tmp_path)
    before = overview(ALL).current
    TrafficDay.objects.filter(day=DAYS[1]).update(sealed_at=None)  # as a restored archive does

    send(make_event(timestamp=milliseconds(at(GAP[0]))))
    drain()
    for merged in (False, True):
        if merged:
            daily.roll_up(DAYS[1])
            assert not TotalsHourly.objects.filter(hour=at(GAP[0])).exists()
        found = overview(ALL).current
        assert found.imported == before.imported - 199
        assert found.requests == before.requests - 199 + 1


def test_a_drop_that_does_not_happen_marks_nothing(events: list[TrafficEvent]) -> None:
    load()
    daily.roll_up(DAYS[0])
    day = TrafficDay.objects.get(day=DAYS[0])
    TrafficDay.objects.filter(day=DAYS[0]).update(sealed_at=timezone.now(), version=F("version") + 1)

    assert hours.drop_hours(day) == 0
    assert not ImportedHourly.objects.exclude(superseded_at=None).exists()


def test_a_part_of_a_day_that_is_left_out_has_no_imported_hours_either(events: list[TrafficEvent]) -> None:
    load()
    for day in DAYS:
        daily.roll_up(day)
    TotalsHourly.objects.filter(hour__date=DAYS[1]).delete()
    TrafficDay.objects.filter(day=DAYS[1]).update(hours_dropped_at=timezone.now())
    ImportedHourly.objects.filter(hour=at(50)).delete()

    cut = overview(Range(at(-10), at(42)))
    assert cut.coverage.incomplete_days == (DAYS[1],)
    assert cut.current.imported == 199 * 10
    assert overview(Range(at(30), at(42))).current.requests == 0
    tail = overview(Range(at(30), END)).current
    assert (tail.imported, tail.requests) == (0, len(within(events, Range(at(48), END))))
    by_hour = timeseries(ALL, "hour")
    assert by_hour.coverage.reaches_back_to == at(48)
    assert sum(bucket.imported for bucket in by_hour.buckets) == 0


# --- the API ---------------------------------------------------------------------------------------


def test_the_api_and_its_tables_say_it_too(imported: list[TrafficEvent]) -> None:
    api = Client(headers={"Authorization": f"Bearer {tokens.issue(ApiToken(name='tests'))}"})
    period = {"start": ALL.start.isoformat(), "end": ALL.end.isoformat()}

    def table(path: str, **parameters: str) -> list[dict[str, str]]:
        answer = api.get(f"/stats/api/{path}", {**period, **parameters, "format": "csv"})
        return list(csv.DictReader(io.StringIO(answer.getvalue().decode(), newline="")))

    total = 199 * len(alive(ALL))
    assert api.get("/stats/api/overview", period).json()["current"]["imported"] == total
    series = table("timeseries", step="hour")
    assert sum(int(row["imported"]) for row in series) == total
    listed = {row["route"]: row for row in table("routes")}
    old = listed["/old"]
    assert (old["requests"], old["imported"]) == (str(99 * len(alive(ALL))),) * 2
    assert (old["mean_ms"], old["p95_ms"], old["clients"], old["quantiles_exact"]) == ("", "", "", "")
    assert listed["/api/users"]["imported"] == "0"
