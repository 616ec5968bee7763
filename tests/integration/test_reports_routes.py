"""Routes are in the order that plain counting gives, whichever way the order is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from itertools import pairwise

import pytest

from gateway.events import TrafficEvent
from stats import daily
from stats.consumer import drain
from stats.reports import InvalidFilter, Range, filters, route, routes, threshold
from stats.reports.pages import Page
from stats.reports.ranking import Ranked
from tests.conftest import BOTH
from tests.integration.report_traffic import (
    END,
    FIRST,
    ROUTES,
    at,
    by_route,
    clients,
    errors,
    quantile,
    traffic,
    within,
)

pytestmark = pytest.mark.django_db(transaction=True, databases=BOTH)

ALL = Range(FIRST, END)
VALUES: dict[str, Callable[[Sequence[TrafficEvent]], float]] = {
    "requests": len,
    "errors": errors,
    "error_rate": lambda events: errors(events) / len(events),
    "p95": lambda events: quantile(events, 0.95),
    "clients": clients,
}


@pytest.fixture
def events(make_event: Callable[..., TrafficEvent], send: Callable[..., int]) -> list[TrafficEvent]:
    """Three days of traffic, the first two of them rolled up into days."""
    found = traffic(make_event)
    send(*found)
    assert drain().inserted == len(found)
    daily.roll_up(date(2025, 11, 21))
    daily.roll_up(date(2025, 11, 22))
    return found


def values_of(events: list[TrafficEvent], sort: str) -> list[float]:
    return sorted((VALUES[sort](group) for group in by_route(events).values()), reverse=True)


@pytest.mark.parametrize("sort", VALUES)
@pytest.mark.parametrize("period", [ALL, Range(at(7), at(50))], ids=["days", "hours and days"])
def test_each_order_is_that_of_plain_counting(events: list[TrafficEvent], sort: str, period: Range) -> None:
    expected = by_route(within(events, period))
    found = routes(period, sort=sort)
    assert (found.total, len(found.rows), found.next_offset) == (len(expected), len(expected), None)
    assert [VALUES[sort](expected[row.route]) for row in found.rows] == pytest.approx(
        values_of(within(events, period), sort), rel=0.01
    )
    for row in found.rows:
        assert row.figures.requests == row.matching == len(expected[row.route])
        assert row.figures.errors == errors(expected[row.route])
        assert row.figures.clients is not None
        assert row.figures.clients.estimate == clients(expected[row.route])
    assert found.is_order_estimated == (sort in ("p95", "clients"))


@pytest.mark.parametrize("sort", VALUES)
@pytest.mark.parametrize("method", [None, "GET"])
def test_pages_together_are_the_whole(events: list[TrafficEvent], sort: str, method: str | None) -> None:
    whole = [row.route for row in routes(ALL, sort=sort, method=method).rows]
    assert sorted(whole) == sorted(ROUTES)
    paged: list[str] = []
    offset: int | None = 0
    while offset is not None:
        page = routes(ALL, sort=sort, method=method, limit=2, offset=offset)
        paged += [row.route for row in page.rows]
        offset = page.next_offset
    assert paged == whole


@pytest.mark.parametrize("sort", VALUES)
def test_routes_of_one_method_are_exact(events: list[TrafficEvent], sort: str) -> None:
    posts = [event for event in events if event.method == "POST"]
    found = routes(ALL, sort=sort, method="POST")
    expected = by_route(posts)
    assert [VALUES[sort](expected[row.route]) for row in found.rows] == values_of(posts, sort)
    assert not found.is_order_estimated
    assert all(row.figures.requests == len(expected[row.route]) for row in found.rows)


@pytest.mark.parametrize("method", [None, "GET"])
def test_a_status_class_leaves_the_routes_that_had_it_and_sorts_by_it(
    events: list[TrafficEvent], method: str | None
) -> None:
    chosen = [event for event in events if method in (None, event.method) and event.status // 100 == 5]
    found = routes(ALL, status_class="5xx", method=method)
    assert "(not found)" not in {row.route for row in found.rows}
    assert {row.route: row.matching for row in found.rows} == {
        name: len(group) for name, group in by_route(chosen).items()
    }
    assert all(first.matching >= second.matching for first, second in pairwise(found.rows))


@pytest.mark.parametrize("method", [None, "GET"])
@pytest.mark.parametrize(
    ("search", "expected"),
    [("ITEMS", {"/api/items/{id}"}), ("_b%", {"/a_b%c"}), ("%", {"/a_b%c"}), ("\\", set()), (":batch", None)],
)
def test_a_search_finds_a_part_of_the_route_literally(
    events: list[TrafficEvent], search: str, expected: set[str] | None, method: str | None
) -> None:
    found = {row.route for row in routes(ALL, search=search, method=method).rows}
    assert found == ({"/v1/docs:batchGet"} if expected is None else expected)


def test_what_is_no_route_is_named(events: list[TrafficEvent]) -> None:
    kinds = {row.route: row.kind for row in routes(ALL).rows}
    assert (kinds["(other)"], kinds["(not found)"], kinds["/slow"]) == ("other", "not_found", "route")


def test_a_page_after_the_last_is_empty_and_knows_the_total(events: list[TrafficEvent]) -> None:
    for sort in VALUES:
        page = routes(ALL, sort=sort, offset=100)
        assert (page.rows, page.total, page.next_offset) == ((), len(ROUTES), None)
    page = routes(ALL, method="GET", offset=100)
    assert (page.rows, page.total) == ((), len({event.route for event in events if event.method == "GET"}))


def test_no_page_leads_to_one_that_would_be_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "MAX_OFFSET", 4)
    coverage = routes(ALL).coverage
    offsets = [Page("requests", 2, offset).of([], 10, coverage).next_offset for offset in (0, 2, 4)]
    assert offsets == [2, 4, None]


def test_a_route_s_days_have_a_bound_that_is_named(store: None) -> None:
    with pytest.raises(InvalidFilter, match="end: more than 1500 days after the start"):
        route("/slow", Range.last("2000d"))


def test_one_route_has_its_figures_series_and_mixes(events: list[TrafficEvent]) -> None:
    period = Range(at(24), at(48))
    expected = by_route(within(events, period))["/slow"]
    found = route("/slow", period)
    assert found.current.requests == len(expected)
    assert found.previous.requests == len(by_route(within(events, period.previous()))["/slow"])
    assert found.series.step == "hour"
    assert sum(bucket.requests for bucket in found.series.buckets) == len(expected)
    assert found.mix_of == len(expected)
    assert {entry.value: entry.requests for entry in found.methods} == {
        name: sum(event.method == name for event in expected) for name in ("GET", "POST")
    }
    assert sum(entry.requests for entry in found.statuses) == len(expected)
    assert found.mix_reaches_back_to is not None
    assert found.mix_reaches_back_to.timestamp() == min(event.timestamp for event in expected) / 1000
    assert route("/slow", ALL, step="day").series.step == "day"


def test_a_route_without_requests_has_zeros(events: list[TrafficEvent]) -> None:
    found = route("/nobody/asked", ALL)
    assert (found.current.requests, found.mix_of, found.mix_reaches_back_to) == (0, 0, None)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"sort": "path"}, "sort"),
        ({"status_class": "6xx"}, "status_class"),
        ({"limit": 0}, "limit"),
        ({"limit": 501}, "limit"),
        ({"offset": -1}, "offset"),
        ({"search": "x" * 513}, "search"),
        ({"search": "\0"}, "search"),
    ],
)
def test_a_bad_filter_is_named(store: None, arguments: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidFilter) as refused:
        routes(ALL, **arguments)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_no_more_is_merged_than_the_order_needs() -> None:
    candidates = [Ranked(f"/{number:03}", 1, bound=100.0 - number) for number in range(100)]
    asked: list[str] = []

    def values(names: Sequence[str]) -> dict[str, float]:
        asked.extend(names)
        return {name: 90.0 - int(name[1:]) for name in names}

    chunks = [candidates[first : first + 10] for first in range(0, 100, 10)]
    found = threshold.highest(chunks, values, 5, seconds=5)
    assert [each.route for each in found] == ["/000", "/001", "/002", "/003", "/004"]
    assert len(asked) == 20  # the fifth value, 86, reaches every bound from the third chunk on
