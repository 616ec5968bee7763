"""Merges that were made before save time, and never show what is out of date."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from gateway.events import TrafficEvent
from gateway.idempotency import hash_ip
from stats import daily
from stats.consumer import drain
from stats.models import TotalsHourly
from stats.reports import Range, kept, overview, routes, timeseries
from stats.reports.figures import Merged
from tests.conftest import BOTH
from tests.integration.report_traffic import END, FIRST, at, clients, milliseconds, traffic

pytestmark = pytest.mark.django_db(transaction=True, databases=BOTH)

ALL = Range(FIRST, END)
BERLIN = Range(FIRST, END, "Europe/Berlin")


@pytest.fixture
def events(make_event: Callable[..., TrafficEvent], send: Callable[..., int]) -> list[TrafficEvent]:
    kept.forget()
    found = traffic(make_event, 300)
    send(*found)
    assert drain().inserted == len(found)
    return found


def summaries_read(ask: Callable[[], object]) -> int:
    """Rows whose summaries were merged."""
    read = []
    with pytest.MonkeyPatch.context() as patch:
        add = Merged.add
        patch.setattr(Merged, "add", lambda *summaries: (read.append(1), add(*summaries)))
        ask()
    return len(read)


def test_the_second_time_nothing_is_merged_and_the_answer_is_the_same(events: list[TrafficEvent]) -> None:
    for ask in (
        lambda: overview(ALL),
        lambda: routes(ALL),
        lambda: routes(ALL, sort="p95"),
        lambda: timeseries(BERLIN, "day"),
    ):
        kept.forget()
        first = ask()
        assert ask() == first
        assert summaries_read(ask) == 0


def test_a_late_event_is_in_the_next_answer(
    events: list[TrafficEvent], make_event: Callable[..., TrafficEvent], send: Callable[..., int]
) -> None:
    overview(ALL)
    late = make_event(
        timestamp=milliseconds(at(5)), route="/slow", response_time=9e5, client_ip_hash=hash_ip("2001:db8::1")
    )
    send(late)
    drain()
    found = overview(ALL).current
    assert found.clients is not None
    assert found.clients.estimate == clients([*events, late])
    assert next(row for row in routes(ALL).rows if row.route == "/slow").figures.maximum == 9e5


def test_only_the_route_that_changed_is_merged_again(
    events: list[TrafficEvent], make_event: Callable[..., TrafficEvent], send: Callable[..., int]
) -> None:
    routes(ALL)
    send(make_event(timestamp=milliseconds(at(5)), route="/slow"))
    drain()
    hours = len({event.timestamp // 3_600_000 for event in events if event.route == "/slow"} | {at(5)})
    assert 0 < summaries_read(lambda: routes(ALL)) <= hours


def test_a_row_that_was_written_again_with_the_same_counts_is_read_again(events: list[TrafficEvent]) -> None:
    before = overview(ALL).current
    other = Merged()
    other.clients.update([f"{number:016x}" for number in range(100)])
    TotalsHourly.objects.filter(hour=at(3)).update(clients=other.clients.to_bytes())
    after = overview(ALL).current
    assert after.requests == before.requests
    assert after.clients is not None
    assert before.clients is not None
    assert after.clients.estimate > before.clients.estimate


def test_daily_rows_give_the_same_answer_as_the_hours_before_them(events: list[TrafficEvent]) -> None:
    before = overview(ALL).current
    daily.roll_up(date(2025, 11, 22))
    after = overview(ALL).current
    assert (after.requests, after.clients) == (before.requests, before.clients)


def test_no_more_than_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    kept.forget()
    monkeypatch.setattr(kept, "ENTRIES", 3)
    for number in range(5):
        kept.put(number, Merged())
        kept.get(0)
    assert [number for number in range(5) if kept.get(number) is not None] == [0, 3, 4]
