"""The path chosen for a reader answers; where it fails or has nothing the other does, and says so."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.test import Client

from gateway import modes
from gateway.events import TrafficEvent
from gateway.models import ModeChange
from gateway.read_settings import read_settings
from legacy_collector.collector import collect
from legacy_collector.models import CollectedHourly
from stats import read_from, tokens
from stats.consumer import drain
from stats.models import ApiToken, PathStatsHourly, ReadChange, ReadComparison
from stats.reports import InvalidFilter, Range, comparing, overview, route, routes, timeseries
from stats.reports import legacy as collector_reports
from stats.reports.answering import Question
from stats.reports.overview import _of_queue
from stats.retention import rows
from tests.conftest import BOTH
from tests.integration.api_traffic import database_away
from tests.integration.report_traffic import END, FIRST, at, traffic

pytestmark = pytest.mark.django_db(transaction=True, databases=BOTH)

ALL = Range(FIRST, END)
QUEUE_ONLY = 3  # events that the collector lacks


@pytest.fixture(autouse=True)
def _as_the_settings_say(store: None) -> Iterator[None]:
    yield
    read_from.forget()
    modes.forget()


@pytest.fixture
def both(make_event: Callable[..., TrafficEvent], send: Callable[..., int]) -> list[TrafficEvent]:
    """The queue path has all of them, the collector all but the first ones."""
    found = traffic(make_event, 200)
    send(*found)
    drain()
    collect(found[QUEUE_ONLY:], {"dual"}, replay=False)
    return found


@pytest.fixture
def collector_away(both: list[TrafficEvent], tmp_path: Path) -> Iterator[None]:
    connection = connections["legacy"]
    name = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = str(tmp_path)  # a folder is no database
    yield
    connection.close()
    connection.settings_dict["NAME"] = name


def choose(*wanted: object) -> ReadChange:
    return read_from.change(read_settings(*wanted), by="ann")


def said(report: Any) -> tuple[str, str]:
    return report.data_source, report.data_source_reason


REPORTS: list[Callable[..., Any]] = [
    overview,
    timeseries,
    routes,
    lambda period, **how: route("/slow", period, **how),
]
each_report = pytest.mark.parametrize("report", REPORTS, ids=["overview", "timeseries", "routes", "route"])


# --- the choice --------------------------------------------------------------------------------------


@each_report
def test_the_chosen_path_answers(both: list[TrafficEvent], report: Callable[..., Any]) -> None:
    choose("legacy", "user:ben")
    assert said(report(ALL, reader="user:ann")) == ("legacy", "chosen")
    assert said(report(ALL, reader="user:ben")) == ("queue", "chosen")
    choose("queue", (), "user:ann")
    assert said(report(ALL, reader="user:ann")) == ("legacy", "chosen")
    assert said(report(ALL)) == ("queue", "chosen")


def test_each_path_tells_what_it_has_counted(both: list[TrafficEvent]) -> None:
    choose("legacy", "user:ben")
    assert overview(ALL, reader="user:ann").current.requests == len(both) - QUEUE_ONLY
    assert overview(ALL, reader="user:ben").current.requests == len(both)


def test_the_settings_are_in_force_until_somebody_chooses(both: list[TrafficEvent], settings: Any) -> None:
    settings.READ_FROM = "legacy"
    assert said(overview(ALL)) == ("legacy", "chosen")
    choose(100)
    assert said(overview(ALL)) == ("queue", "chosen")


def test_what_only_the_events_know_comes_from_the_queue_path(both: list[TrafficEvent]) -> None:
    choose("legacy")
    assert overview(ALL, method="GET").data_source == "queue"
    assert timeseries(Range(at(60), END), "minute").data_source == "queue"
    found = route("/slow", Range(at(60), END), step="minute")
    assert (found.data_source, found.series.data_source) == ("legacy", "queue")
    assert found.mix_of > 0


def test_what_the_collector_does_not_know_the_queue_path_answers(both: list[TrafficEvent]) -> None:
    choose("legacy")
    assert said(routes(ALL, status_class="5xx")) == ("queue", "other_unable")


# --- the other one -----------------------------------------------------------------------------------


@each_report
def test_a_queue_path_that_fails_leaves_the_collector_s_answer(
    both: list[TrafficEvent], report: Callable[..., Any]
) -> None:
    read_from.in_force()
    with database_away():
        assert said(report(ALL)) == ("legacy", "other_failed")


@pytest.mark.usefixtures("collector_away")
@each_report
def test_a_collector_that_fails_leaves_the_queue_path_s_answer(
    both: list[TrafficEvent], report: Callable[..., Any]
) -> None:
    choose("legacy")
    assert said(report(ALL)) == ("queue", "other_failed")


def test_a_failure_is_none_of_the_reader_s_zeros(both: list[TrafficEvent]) -> None:
    """The collector knows nothing of that time: that is no answer to what the queue path might know."""
    with database_away(), pytest.raises(OperationalError):
        overview(Range(at(-48), at(-24)))


@each_report
def test_where_the_chosen_path_has_nothing_the_other_answers(
    both: list[TrafficEvent], report: Callable[..., Any]
) -> None:
    PathStatsHourly.objects.filter(hour__lt=at(24)).delete()
    with connections["default"].cursor() as cursor:
        cursor.execute("DELETE FROM stats_totalshourly WHERE hour < %s", [at(24)])
    CollectedHourly.objects.filter(hour__gte=at(48)).delete()
    assert said(report(Range(at(0), at(24)))) == ("legacy", "other_empty")
    choose("legacy")
    assert said(report(Range(at(60), at(66)))) == ("queue", "other_empty")


@each_report
def test_where_neither_has_anything_the_chosen_one_answers_with_zeros(report: Callable[..., Any]) -> None:
    assert said(report(ALL)) == ("queue", "chosen")
    choose("legacy")
    assert said(report(ALL)) == ("legacy", "chosen")


def test_a_wrong_filter_is_refused_by_either(both: list[TrafficEvent]) -> None:
    for share in ("queue", "legacy"):
        choose(share)
        with pytest.raises(InvalidFilter, match="step: 'week'"):
            timeseries(ALL, "week")
        with pytest.raises(InvalidFilter, match="step: more than"):
            route("/slow", Range(at(0), at(24 * 300)), step="hour")


# --- the API's readers -------------------------------------------------------------------------------


def test_the_api_knows_its_readers_by_token_and_user(both: list[TrafficEvent], admin_client: Client) -> None:
    secret = tokens.issue(ApiToken(name="grafana"))
    api = Client(headers={"Authorization": f"Bearer {secret}"})
    period = {"start": FIRST.isoformat(), "end": END.isoformat()}
    choose("queue", (), "token:grafana")
    for path in ("overview", "timeseries", "routes"):
        assert api.get(f"/stats/api/{path}", period).json()["data_source"] == "legacy", path
        assert admin_client.get(f"/stats/api/{path}", period).json()["data_source"] == "queue", path
    choose("queue", (), "user:admin")
    slow = {**period, "route": "/slow"}
    assert admin_client.get("/stats/api/route", slow).json()["data_source"] == "legacy"
    assert api.get("/stats/api/route", slow).json()["data_source_reason"] == "chosen"


def test_a_table_says_who_answered(both: list[TrafficEvent], admin_client: Client) -> None:
    choose("legacy")
    period = {"start": FIRST.isoformat(), "end": END.isoformat(), "format": "csv"}
    lines = admin_client.get("/stats/api/routes", period).content.decode().splitlines()
    assert lines[0].endswith(",data_source")
    assert all(line.endswith(",legacy") for line in lines[1:])


# --- comparing ---------------------------------------------------------------------------------------


def dual(since: datetime, mode: str = "dual") -> None:
    ModeChange.objects.create(mode=mode, changed_at=since, changed_by="ann")


def question(period: Range = ALL, answer: Callable[[Range], Any] | None = None) -> Question[Any]:
    return Question("overview", period, answer or _of_queue, collector_reports.overview)


def test_both_answers_are_kept_beside_each_other(both: list[TrafficEvent]) -> None:
    dual(at(-1))
    made = comparing.compare(question(), "queue")
    assert made is not None
    assert (made.queue_requests, made.collector_requests) == (len(both), len(both) - QUEUE_ONLY)
    assert made.difference == pytest.approx(QUEUE_ONLY / len(both))
    assert made.differing[0][0] == "all requests"


def test_answers_that_are_alike_differ_in_nothing(both: list[TrafficEvent]) -> None:
    dual(at(-1))
    made = comparing.compare(question(Range(at(24), END)), "legacy")
    assert made is not None
    assert (made.difference, made.differing, made.served) == (0, [], "legacy")
    assert made.queue_requests == made.collector_requests > 0


def test_only_the_last_whole_hours_of_dual_that_have_settled_are_compared() -> None:
    now = at(50) + timedelta(minutes=20)
    dual(at(10) + timedelta(minutes=30))
    dual(at(20), "sample")
    dual(at(30))
    assert comparing.comparable(ALL, now) == Range(at(31), at(50))  # 30 s around a change are not judged
    assert comparing.comparable(Range(at(0), at(25)), now) == Range(at(11), at(19))
    assert comparing.comparable(ALL, at(50) + timedelta(minutes=10)) == Range(at(31), at(49))
    assert comparing.comparable(Range(at(21), at(29)), now) is None
    assert comparing.comparable(Range(at(49.5), at(52)), at(49.6)) is None


def test_a_share_of_the_answers_is_compared_in_the_background(both: list[TrafficEvent]) -> None:
    dual(at(-1))
    choose("queue", (), (), 100)
    found = overview(ALL)
    assert found.data_source == "queue"
    assert _within_seconds(ReadComparison.objects.exists)
    assert ReadComparison.objects.get().queue_requests == found.current.requests


def test_without_a_share_nothing_is_compared(both: list[TrafficEvent], monkeypatch: Any) -> None:
    monkeypatch.setattr(comparing._comparer, "offer", lambda *_: pytest.fail("compared"))
    assert overview(ALL).data_source == "queue"


def test_a_comparison_that_fails_is_nobody_s_failure(
    both: list[TrafficEvent], caplog: pytest.LogCaptureFixture
) -> None:
    def fail(period: Range) -> Any:
        raise OperationalError("gone")

    dual(at(-1))
    comparing._comparer.offer(question(answer=fail), "queue")
    assert _within_seconds(lambda: "overview: not compared: OperationalError: gone" in caplog.text)


def test_a_reader_waits_for_no_comparison(both: list[TrafficEvent]) -> None:
    """While one is at work and one waits, the others are not compared."""
    go = threading.Event()
    comparer = comparing.Comparer()
    slow = question(answer=lambda period: go.wait(10))
    for _ in range(50):
        comparer.offer(slow, "queue")
    assert comparer._waiting.qsize() <= 1
    go.set()


def _within_seconds(holds: Callable[[], bool], seconds: float = 10) -> bool:
    ends_at = time.monotonic() + seconds
    while not holds() and time.monotonic() < ends_at:
        time.sleep(0.05)
    return holds()


# --- the admin ---------------------------------------------------------------------------------------

HOURS = "/admin/stats/pathstatshourly/"
COLLECTED = "/admin/legacy_collector/collectedhourly/"


def test_the_collector_s_counts_take_the_place_of_hourly_statistics(
    both: list[TrafficEvent], admin_client: Client
) -> None:
    choose("legacy")
    answer = admin_client.get(HOURS)
    assert (answer.status_code, answer["Location"]) == (302, COLLECTED)
    page = admin_client.get(COLLECTED).content.decode()
    assert "Answered by the legacy collector, as the read path says for you." in page
    assert f'href="{HOURS}?p=1"' in page
    assert admin_client.get(f"{HOURS}?p=1").status_code == 200
    choose("queue")
    assert admin_client.get(HOURS).status_code == 200


@pytest.mark.usefixtures("collector_away")
def test_a_collector_that_is_away_leaves_the_hourly_statistics(
    both: list[TrafficEvent], admin_client: Client
) -> None:
    choose("legacy")
    assert admin_client.get(HOURS).status_code == 200


def test_where_nothing_is_counted_the_collector_s_counts_are_shown(
    make_event: Callable[..., TrafficEvent], admin_client: Client
) -> None:
    assert admin_client.get(HOURS).status_code == 200
    collect([make_event()], {"legacy"}, replay=False)
    assert admin_client.get(HOURS)["Location"] == COLLECTED


def test_a_read_path_is_chosen_with_who_and_why(admin_client: Client) -> None:
    wanted = {
        "percent": "25",
        "queue_readers": "user:ann, token:grafana",
        "legacy_readers": "user:ben",
        "compared_percent": "10",
        "note": "a quarter",
    }
    assert admin_client.post("/admin/stats/readchange/add/", wanted).status_code == 302
    found = read_from.in_force()
    assert (found.percent, found.compared_percent) == (25, 10)
    assert found.queue_readers == {"user:ann", "token:grafana"}
    row = ReadChange.objects.get()
    assert (row.changed_by, row.note) == ("admin", "a quarter")
    page = admin_client.get("/admin/stats/readchange/").content.decode()
    assert "25 % of the readers" in page
    assert "2 to the queue path, 1 to the collector" in page


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("percent", "101", "101.0 is no percentage from 0 to 100"),
        ("queue_readers", "ann", "&#x27;ann&#x27; is neither user:NAME nor token:NAME"),
        ("legacy_readers", "user:ann", "is among the queue_readers, too"),
    ],
)
def test_a_wrong_choice_is_named_at_its_field(
    admin_client: Client, field: str, value: str, message: str
) -> None:
    wanted = {"percent": "25", "queue_readers": "user:ann", "compared_percent": "0", field: value}
    page = admin_client.post("/admin/stats/readchange/add/", wanted)
    assert page.status_code == 200
    assert message in page.content.decode()
    assert not ReadChange.objects.exists()


def test_compared_answers_are_listed_with_what_differs(
    both: list[TrafficEvent], admin_client: Client
) -> None:
    dual(at(-1))
    wrong = comparing.compare(question(), "queue")
    comparing.compare(question(Range(at(24), END)), "queue")
    listed = admin_client.get("/admin/stats/readcomparison/?answers=differing")
    assert [row.pk for row in listed.context["cl"].result_list] == [wrong.pk]
    page = admin_client.get(f"/admin/stats/readcomparison/{wrong.pk}/change/").content.decode()
    assert "all requests" in page
    assert f"{len(both) - QUEUE_ONLY:,}" in page


def test_old_comparisons_go(both: list[TrafficEvent]) -> None:
    dual(at(-1))
    made = comparing.compare(question(), "queue")
    ReadComparison.objects.update(made_at=datetime.now(UTC) - timedelta(days=rows.COMPARISON_DAYS, hours=1))
    comparing.compare(question(), "queue")
    assert rows.delete(rows.comparisons(datetime.now(UTC))) == 1
    assert not ReadComparison.objects.filter(pk=made.pk).exists()
