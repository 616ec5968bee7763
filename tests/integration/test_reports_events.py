"""Events by pages, and the values that came most often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from gateway.events import TrafficEvent
from gateway.idempotency import hash_ip
from stats import daily
from stats.consumer import drain
from stats.reports import InvalidFilter, Range, events, scanning, top_values
from tests.conftest import BOTH
from tests.integration.report_traffic import END, FIRST, at, counted, traffic, within

pytestmark = pytest.mark.django_db(transaction=True, databases=BOTH)

ALL = Range(FIRST, END)


@pytest.fixture
def stored(make_event: Callable[..., TrafficEvent], send: Callable[..., int]) -> list[TrafficEvent]:
    """Three days of traffic, newest first."""
    found = traffic(make_event, 300)
    send(*found)
    assert drain().inserted == len(found)
    return sorted(found, key=lambda event: event.idempotent_id, reverse=True)


def pages(period: Range = ALL, **filters: Any) -> list[str]:
    """The ids of all pages."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = events(period, cursor=cursor, **filters)
        found += [event.idempotent_id for event in page.events]
        cursor = page.next_cursor
        if cursor is None:
            return found


def ids(chosen: list[TrafficEvent]) -> list[str]:
    return [event.idempotent_id for event in chosen]


def test_pages_hold_every_event_once_newest_first(stored: list[TrafficEvent]) -> None:
    assert pages(limit=7) == ids(stored)
    assert pages(limit=300) == ids(stored)
    period = Range(at(5), at(29))
    assert pages(period, limit=10) == ids(within(stored, period))


def test_an_event_has_all_its_fields(stored: list[TrafficEvent]) -> None:
    found = events(ALL, limit=1).events[0]
    expected = stored[0]
    for name in ("idempotent_id", "path", "route", "method", "status", "response_time", "user_agent"):
        assert getattr(found, name) == getattr(expected, name)
    assert found.occurred_at.timestamp() * 1000 == expected.timestamp


@pytest.mark.parametrize(
    ("filters", "chosen"),
    [
        ({"route": "/slow"}, lambda event: event.route == "/slow"),
        ({"path_prefix": "/some/path/1"}, lambda event: event.path.startswith("/some/path/1")),
        ({"path_prefix": "/some/path/%"}, lambda event: False),
        ({"status_class": "5xx"}, lambda event: event.status >= 500),
        ({"method": "POST"}, lambda event: event.method == "POST"),
        ({"client": hash_ip("192.0.2.7")}, lambda event: event.client_ip_hash == hash_ip("192.0.2.7")),
        (
            {"route": "/api/users", "method": "GET", "status_class": "2xx"},
            lambda event: event.route == "/api/users" and event.method == "GET" and event.status < 300,
        ),
    ],
)
@pytest.mark.parametrize("scanned", [scanning.SCANNED, 11])
def test_filters_leave_what_plain_filtering_leaves(
    stored: list[TrafficEvent],
    monkeypatch: pytest.MonkeyPatch,
    filters: dict[str, Any],
    chosen: Callable[[TrafficEvent], bool],
    scanned: int,
) -> None:
    """Also where a page ends because enough events were looked through."""
    monkeypatch.setattr(scanning, "SCANNED", scanned)
    assert pages(limit=4, **filters) == ids([event for event in stored if chosen(event)])


def test_new_events_do_not_move_a_page(
    stored: list[TrafficEvent], make_event: Callable[..., TrafficEvent], send: Callable[..., int]
) -> None:
    first = events(ALL, limit=10)
    send(make_event(timestamp=stored[0].timestamp + 1))
    drain()
    second = events(ALL, limit=10, cursor=first.next_cursor)
    assert ids(list(second.events)) == ids(stored[10:20])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"cursor": "yesterday"}, "cursor"),
        ({"client": "192.0.2.1"}, "client"),
        ({"limit": 501}, "limit"),
        ({"status_class": "500"}, "status_class"),
        ({"route": "x" * 513}, "route"),
        ({"path_prefix": "/\0"}, "path_prefix"),
    ],
)
def test_a_bad_filter_is_named(store: None, arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidFilter) as refused:
        events(ALL, **arguments)
    assert refused.value.field == field


@pytest.mark.parametrize("with_days", [False, True])
@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("client", lambda event: event.client_ip_hash),
        ("user_agent", lambda event: event.user_agent),
        ("country", lambda event: event.country),
        ("method", lambda event: event.method),
        ("status", lambda event: str(event.status)),
    ],
)
def test_top_values_are_those_of_plain_counting_and_the_rest_is_named(
    stored: list[TrafficEvent], kind: str, value: Callable[[TrafficEvent], str], with_days: bool
) -> None:
    if with_days:
        daily.roll_up(date(2025, 11, 22))
    period = Range(at(7), END)
    expected = counted(value(event) for event in within(stored, period))
    found = top_values(kind, period, limit=2)
    assert [(row.value, row.requests) for row in found.rows] == expected[:2]
    assert all(row.is_exact and row.lower == row.requests == row.upper for row in found.rows)
    assert found.total == sum(count for _, count in expected)
    rest = sum(count for _, count in expected[2:])
    if rest:
        assert found.other is not None
        assert (found.other.value, found.other.requests) == ("(other)", rest)
    else:
        assert found.other is None
    shares = [row.share for row in (*found.rows, *([found.other] if found.other else []))]
    assert sum(shares) == pytest.approx(1)


def test_more_values_than_are_kept_add_up_to_the_total_and_say_what_is_certain(
    make_event: Callable[..., TrafficEvent], send: Callable[..., int]
) -> None:
    agents = [f"agent {number % 2_000}" for number in range(3_000)] + ["busy"] * 500
    send(*(make_event(user_agent=agent) for agent in agents))
    drain()
    found = top_values("user_agent", Range(at(48), END), limit=10)
    assert found.total == 3_500
    assert found.rows[0].value == "busy"
    assert found.rows[0].lower <= 500 <= found.rows[0].upper
    assert found.other is not None
    assert sum(row.requests for row in found.rows) + found.other.requests == 3_500
    assert found.is_order_estimated
    assert not any(row.is_exact for row in found.rows)


def test_an_unknown_kind_is_refused_by_name(store: None) -> None:
    with pytest.raises(InvalidFilter, match="kind: 'host' is none of client"):
        top_values("host", ALL)
    assert top_values("client", ALL).rows == ()
