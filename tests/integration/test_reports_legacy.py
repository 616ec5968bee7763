"""Where the queue path has nothing of a time, the legacy collector answers what it can, and it is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connections

from gateway.events import TrafficEvent
from legacy_collector.collector import CollectorRefused, collect
from stats.consumer import drain
from stats.reports import InvalidFilter, Range, overview, route, routes, timeseries
from tests.conftest import BOTH
from tests.integration.report_traffic import END, FIRST, at, by_route, errors, milliseconds, traffic, within

pytestmark = pytest.mark.django_db(transaction=True, databases=BOTH)

ALL = Range(FIRST, END)


@pytest.fixture
def collected(store: None, make_event: Callable[..., TrafficEvent]) -> list[TrafficEvent]:
    found = traffic(make_event, 200)
    collect(found, {"legacy"}, replay=False)
    return found


def test_its_counts_are_the_overview_and_the_rest_is_unknown(collected: list[TrafficEvent]) -> None:
    period = Range(at(24), at(48))
    found = overview(period)
    assert found.data_source == "legacy"
    assert found.current.requests == len(within(collected, period))
    assert found.current.errors == errors(within(collected, period))
    assert found.previous.requests == len(within(collected, period.previous()))
    assert (found.current.p95, found.current.clients, found.current.statuses) == (None, None, None)


@pytest.mark.parametrize(("step", "zone"), [("hour", "UTC"), ("day", "Europe/Berlin")])
def test_its_counts_are_the_series(collected: list[TrafficEvent], step: str, zone: str) -> None:
    found = timeseries(Range(FIRST, END, zone), step)
    assert found.data_source == "legacy"
    for bucket in found.buckets:
        expected = within(collected, Range(bucket.start, bucket.end))
        assert (bucket.requests, bucket.errors) == (len(expected), errors(expected))


@pytest.mark.parametrize(
    ("sort", "sorted_by"), [("requests", "requests"), ("errors", "errors"), ("p95", "requests")]
)
def test_its_routes_are_sorted_by_what_it_knows(
    collected: list[TrafficEvent], sort: str, sorted_by: str
) -> None:
    found = routes(ALL, sort=sort, limit=3)
    assert (found.data_source, found.sort, found.next_offset) == ("legacy", sorted_by, 3)
    groups = by_route(collected)
    count = errors if sorted_by == "errors" else len
    assert [count(groups[row.route]) for row in found.rows] == sorted(map(count, groups.values()))[::-1][:3]
    assert routes(ALL, search="ITEMS").rows[0].route == "/api/items/{id}"


def test_its_counts_are_one_route(collected: list[TrafficEvent]) -> None:
    for step in (None, "hour", "day"):
        found = route("/slow", ALL, step=step)
        assert found.data_source == found.series.data_source == "legacy"
        assert found.current.requests == len(by_route(collected)["/slow"])
    cut = Range(at(60), END)
    minutes = route("/slow", cut, step="minute")
    assert (minutes.data_source, minutes.series.data_source) == ("legacy", "queue")
    assert minutes.current.requests == len(by_route(within(collected, cut))["/slow"])


def test_a_filter_that_it_can_not_answer_is_refused_and_not_dropped(collected: list[TrafficEvent]) -> None:
    with pytest.raises(InvalidFilter, match="status_class: is not known to the legacy collector"):
        routes(ALL, status_class="5xx")
    nothing = Range(at(-48), at(-24))
    assert routes(nothing, status_class="5xx").data_source == "queue"


def test_one_event_of_a_time_is_enough_for_the_queue_to_answer_for_that_time(
    collected: list[TrafficEvent], make_event: Callable[..., TrafficEvent], send: Callable[..., int]
) -> None:
    send(make_event(timestamp=milliseconds(at(30))))
    drain()
    since, before = Range(at(24), at(48)), Range(at(0), at(12))
    for report in (overview, timeseries, routes):
        assert (report(since).data_source, report(since).data_source_reason) == ("queue", "chosen")
        assert report(before).data_source == "legacy", report
        assert report(before).data_source_reason == "other_empty", report


def test_without_any_data_the_queue_answers_with_zeros(store: None) -> None:
    assert (overview(ALL).data_source, overview(ALL).current.requests) == ("queue", 0)


def test_a_collector_that_is_away_leaves_the_queues_answer(
    collected: list[TrafficEvent], tmp_path: Path
) -> None:
    connection = connections["legacy"]
    name = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = str(tmp_path)  # a folder is no database
    try:
        with pytest.raises(CollectorRefused):
            collect(collected[:1], {"legacy"}, replay=False)
        assert overview(ALL).data_source == "queue"
    finally:
        connection.close()
        connection.settings_dict["NAME"] = name
