"""What the API answers: figures of real traffic, pages, tables, and problems that name what is wrong."""

from __future__ import annotations

import csv
import io
import time
from datetime import datetime
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import ProgrammingError, connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext

from gateway import csv_table, queue
from stats import reports, tokens
from stats.api import authentication, bounds
from stats.api import events as events_endpoint
from stats.consumer import drain
from stats.models import ApiToken, DeadLetter
from stats.reports import ReportTimedOut, scanning
from tests.integration.api_traffic import FORMULA, ROUTES, database_away, database_hangs, traffic

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

API = "/stats/api/"


def bearer() -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens.issue(ApiToken(name='tests'))}"}


@pytest.fixture
def api(store: None) -> Client:
    return Client(headers=bearer())


@pytest.fixture
def events(store: None, make_event: Any) -> Any:
    return traffic(make_event)


@pytest.fixture
def letters(store: None) -> list[DeadLetter]:
    queue.enqueue([(f"[{number}]", 1) for number in range(1, 8)])
    drain()
    return list(DeadLetter.objects.order_by("-pk"))


def get(api: Client, path: str, **parameters: Any) -> Any:
    answer = api.get(API + path, parameters)
    assert answer.status_code == 200, answer.content
    return answer.json()


def table(api: Client, path: str, **parameters: Any) -> list[dict[str, str]]:
    answer = api.get(API + path, {**parameters, "format": "csv"})
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer["Content-Disposition"].startswith("attachment; filename=")
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode(), newline="")))


def refused(answer: Any, status: int, field: str) -> dict[str, Any]:
    """The problem, which names `field` and no other."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    assert [error["field"] for error in problem["errors"]] == [field]
    return problem


# --- figures -------------------------------------------------------------------------------------


def test_the_overview_counts_what_was_sent(api, events):
    found = get(api, "overview", last="3h")

    assert found["data_source"] == "queue"
    assert found["current"]["requests"] == 90
    assert found["current"]["errors"] == 36  # two of five statuses
    assert found["current"]["statuses"]["server_error"] == 18
    assert found["previous"]["requests"] == 0
    assert found["current"]["mean"] == pytest.approx(45.5)


def test_what_may_be_an_estimate_says_whether_it_is(api, events):
    figures = get(api, "overview", last="3h")["current"]
    for quantile in ("p50", "p90", "p95", "p99"):
        assert figures[quantile].keys() == {"value", "lower", "upper", "is_exact"}
    assert figures["clients"].keys() >= {"estimate", "lower", "upper", "is_exact", "is_lower_bound"}
    assert figures["clients"]["estimate"] == 7


def test_times_carry_the_offset_of_the_zone_that_was_asked_for(api, events):
    for zone, offset in (
        ("UTC", ("Z", "+00:00")),
        ("Asia/Tokyo", ("+09:00",)),
        ("Asia/Kolkata", ("+05:30",)),
    ):
        found = get(api, "timeseries", last="3h", zone=zone)
        assert found["coverage"]["start"].endswith(offset)
        assert found["buckets"][0]["start"].endswith(offset)
        assert get(api, "events", last="3h", zone=zone)["events"][0]["occurred_at"].endswith(offset)


def test_a_range_can_be_given_by_its_ends(api, events):
    start, end = "2025-11-23T00:00:00+01:00", "2025-11-24T00:00:00+01:00"
    found = get(api, "overview", start=start, end=end)
    assert datetime.fromisoformat(found["coverage"]["start"]) == datetime.fromisoformat(start)
    assert found["current"]["requests"] == 0


def test_the_series_adds_up_to_the_overview(api, events):
    for step in ("minute", "hour", "day"):
        series = get(api, "timeseries", last="3h", step=step)
        assert sum(bucket["requests"] for bucket in series["buckets"]) == 90
    of_one = get(api, "timeseries", last="3h", route="/api/orders")
    assert sum(bucket["requests"] for bucket in of_one["buckets"]) == 30


def test_routes_come_in_pages_that_lead_on(api, events):
    first = api.get(f"{API}routes?last=3h&limit=2&sort=requests")
    assert first.json()["total"] == 3
    assert first["Link"] == '<?last=3h&limit=2&sort=requests&offset=2>; rel="next"'
    second = api.get(f"{API}routes" + first["Link"][1:].partition(">")[0])

    found = [row["route"] for page in (first, second) for row in page.json()["rows"]]
    assert sorted(found) == sorted(ROUTES)
    assert "Link" not in second.headers


def test_one_route_with_letters_of_any_kind(api, events):
    for route in ROUTES:
        found = get(api, "route", route=route, last="3h")
        assert (found["route"], found["current"]["requests"]) == (route, 30)
    assert get(api, "route", route="/nowhere", last="3h")["current"]["requests"] == 0


def test_the_most_frequent_values_and_the_remainder(api, events):
    for kind in ("client", "user_agent", "country", "method", "status"):
        found = get(api, f"top-values/{kind}", last="3h", limit=1)
        assert found["kind"] == kind
        assert found["total"] == 90
        assert found["rows"][0].keys() >= {"value", "requests", "lower", "upper", "is_exact"}
    assert get(api, "top-values/method", last="3h")["rows"][0]["value"] == "GET"
    rows = table(api, "top-values/user_agent", last="3h", limit=1)
    assert [row["value"] for row in rows] == ["pytest", "(other)"]
    assert sum(int(row["requests"]) for row in rows) == 90


def test_the_snapshot_says_how_old_it_is(api, events):
    found = get(api, "snapshot")
    assert found["overview"]["current"]["requests"] == 90
    assert found["age_seconds"] >= 0
    assert found["data_source"] in ("snapshot", "database")


def test_the_pipeline_tells_where_events_are(api, events, letters, make_event, send):
    send(make_event(), make_event())
    found = get(api, "pipeline")
    assert found["database_up"] is True
    assert (found["backlog"]["batches"], found["backlog"]["events"]) == (1, 2)
    assert found["consumer"]["breaker"] == "closed"
    waiting = {one["reason"]: one["count"] for one in found["dead_letters"]}
    assert waiting["undecodable"] == 7
    assert found["counters"].keys() >= {"sent", "fallback", "dropped"}
    assert found["problems"] == []


# --- pages of rows -------------------------------------------------------------------------------


def test_pages_of_events_hold_each_event_once(api, events):
    found, cursor = [], None
    while True:
        page = get(api, "events", last="3h", limit=20, **({"cursor": cursor} if cursor else {}))
        found += [event["idempotent_id"] for event in page["events"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [event.idempotent_id for event in reversed(events)]


def test_events_can_be_filtered(api, events):
    assert len(get(api, "events", last="3h", limit=100, status_class="5xx")["events"]) == 18
    assert len(get(api, "events", last="3h", limit=100, method="POST")["events"]) == 30
    client = events[0].client_ip_hash
    assert {e["client_ip_hash"] for e in get(api, "events", last="3h", client=client)["events"]} == {client}


def test_pages_of_dead_letters_hold_each_letter_once(api, letters):
    first = get(api, "dead-letters", limit=4)
    second = get(api, "dead-letters", limit=4, cursor=first["next_cursor"])
    assert [one["id"] for page in (first, second) for one in page["letters"]] == [one.pk for one in letters]
    assert second["next_cursor"] is None
    assert "payload" not in first["letters"][0]


@pytest.mark.parametrize("state", ["dead", "redriven", "discarded", "any"])
@pytest.mark.parametrize("reason", [{}, {"reason": "undecodable"}, {"reason": "late"}])
def test_dead_letters_are_found_by_state_and_reason(api, letters, state, reason):
    DeadLetter.objects.filter(pk=letters[0].pk).update(state="redriven")
    DeadLetter.objects.filter(pk=letters[1].pk).update(reason="late")
    expected = DeadLetter.objects.filter(**reason, **({} if state == "any" else {"state": state}))
    found = get(api, "dead-letters", state=state, **reason)["letters"]
    assert [one["id"] for one in found] == list(expected.order_by("-pk").values_list("pk", flat=True))


def test_a_dead_letter_in_full(api, letters):
    told = {"state": "discarded", "route": "/api/users", "note": "a scanner", "earlier": letters[1]}
    DeadLetter.objects.filter(pk=letters[0].pk).update(**told)
    found = get(api, f"dead-letters/{letters[0].pk}", zone="Asia/Tokyo")
    assert found["payload"] == letters[0].payload
    assert found["first_failed_at"].endswith("+09:00")
    assert (found["route"], found["note"], found["earlier_id"]) == ("/api/users", "a scanner", letters[1].pk)
    answer = api.get(f"{API}dead-letters/{letters[0].pk + 1}")
    assert (answer.status_code, answer.json()["title"]) == (404, "Not Found")


@pytest.mark.parametrize("path", ["dead-letters", "events"])
def test_more_rows_cost_no_more_queries(api, events, letters, path):
    def queries(limit: int) -> int:
        with CaptureQueriesContext(connection) as captured:
            get(api, path, limit=limit)
        return len(captured)

    queries(1)  # notes the use of the token
    assert queries(1) == queries(6)


def copied(letter):
    fields = {field.attname: getattr(letter, field.attname) for field in DeadLetter._meta.concrete_fields}
    return DeadLetter(**{**fields, "id": None})


def test_dead_letters_are_found_by_an_index(api, letters):
    with CaptureQueriesContext(connection) as captured:
        get(api, "dead-letters", cursor=str(letters[0].pk))
    (query,) = [one["sql"] for one in captured if "stats_deadletter" in one["sql"]]
    # Among many for another reason, as the planner knows: of seven in all it may take any index.
    letter = letters[0]
    letter.reason = "late"
    DeadLetter.objects.bulk_create(copied(letter) for _ in range(2000))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE stats_deadletter")
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(f"EXPLAIN {query}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
        cursor.execute("RESET enable_seqscan")
    # For a reason of a few rows the planner may take the key's index, in whose order they are wanted.
    assert plan.count("Index Scan") + plan.count("Index Only Scan") >= len(DeadLetter.Reason.values), plan
    assert "deadletter_state" in plan
    assert "Seq Scan" not in plan


# --- tables --------------------------------------------------------------------------------------


def test_the_tables_hold_what_the_answers_hold(api, events, letters):
    rows = table(api, "routes", last="3h")
    assert {row["route"]: row["requests"] for row in rows} == dict.fromkeys(ROUTES, "30")
    assert {row["quantiles_exact"] for row in rows} <= {"True", "False"}

    rows = table(api, "timeseries", last="3h")
    assert sum(int(row["requests"]) for row in rows) == 90
    assert {(row["estimated"], row["data_source"]) for row in rows} == {("p95 clients", "queue")}

    assert len(table(api, "dead-letters")) == 7


def test_the_table_of_events_is_sent_while_it_is_read(api, events, monkeypatch):
    monkeypatch.setattr(events_endpoint, "MAX_LIMIT", 20)  # events a page
    answer = api.get(f"{API}events", {"last": "3h", "format": "csv"})
    assert answer.streaming
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode(), newline="")))
    assert [row["idempotent_id"] for row in rows] == [event.idempotent_id for event in reversed(events)]
    assert float(rows[0]["response_time_ms"]) == 90.0


def test_the_table_of_events_is_bounded(api, events, monkeypatch):
    monkeypatch.setattr(events_endpoint, "MAX_TABLE", 30)
    rows = table(api, "events", last="3h")
    assert len(rows) == 30
    following = table(api, "events", last="3h", cursor=rows[-1]["idempotent_id"], limit=5)
    assert following[0]["idempotent_id"] == events[-31].idempotent_id


def test_a_table_that_breaks_off_does_not_look_whole(api, events, monkeypatch):
    monkeypatch.setattr(events_endpoint, "MAX_LIMIT", 20)
    monkeypatch.setattr(csv_table, "PART", 10)
    parts = iter(api.get(f"{API}events", {"last": "3h", "format": "csv"}).streaming_content)
    assert next(parts).startswith(b"idempotent_id,")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE stats_event RENAME TO gone")
    try:
        with pytest.raises(ProgrammingError, match="stats_event"):
            list(parts)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO stats_event")


def test_a_table_with_a_rare_filter_breaks_off_in_time(api, events, monkeypatch):
    """Each page looks through a bounded number of events; all pages together have a bound, too."""
    monkeypatch.setattr(scanning, "SCANNED", 20)
    monkeypatch.setattr(events_endpoint, "TABLE_SECONDS", 0.0)
    nobody = {"last": "3h", "format": "csv", "client": "0" * 16}
    parts = iter(api.get(f"{API}events", nobody).streaming_content)
    assert next(parts).startswith(b"idempotent_id,")  # sent before a row is found
    with pytest.raises(ReportTimedOut, match="the table took longer"):
        list(parts)


def test_an_asynchronous_server_sends_the_same_table_part_by_part(api, events, monkeypatch):
    monkeypatch.setattr(csv_table, "PART", 10)

    headers = bearer()

    async def parts() -> list[bytes]:
        answer = await AsyncClient().get(f"{API}events?last=3h&format=csv", headers=headers)
        assert answer.status_code == 200, answer.content
        return [part async for part in answer.streaming_content]

    found = async_to_sync(parts)()
    assert len(found) == 10  # the header, and 90 lines
    expected = api.get(f"{API}events", {"last": "3h", "format": "csv"}).getvalue()
    assert b"".join(found) == expected


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_text_of_a_client_becomes_a_formula(start):
    text = f"{start}HYPERLINK(1)"
    written = "".join(csv_table.lines(["column"], [[text]]))
    assert list(csv.reader(io.StringIO(written, newline=""))) == [["column"], [f"'{text}"]]


def test_numbers_stay_numbers():
    assert (
        list(csv_table.lines(["a"], [[-1.5, None, "a,b", 'say "hi"']]))[1] == '-1.5,,"a,b","say ""hi"""\r\n'
    )


def test_a_formula_as_a_user_agent_is_defused(api, events):
    agents = {row["user_agent"] for row in table(api, "events", last="3h")}
    assert agents == {"pytest", f"'{FORMULA}"}
    assert FORMULA in {event["user_agent"] for event in get(api, "events", last="3h", limit=100)["events"]}


# --- problems ------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["0", "-1", "100000", "many", "1.5", ""])
@pytest.mark.parametrize("path", ["events", "routes", "dead-letters", "top-values/client"])
def test_a_limit_out_of_bounds_is_refused_by_name(api, path, limit):
    refused(api.get(API + path, {"limit": limit}), 422, "limit")


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"start": "2025-11-23T00:00:00"}, "start"),  # no offset
        ({"start": "yesterday"}, "start"),
        ({"start": "2025-11-23T00:00:00Z", "end": "2025-11-22T00:00:00Z"}, "end"),
        ({"end": "2025-11-22T00:00:00Z"}, "start"),
        ({"start": "1999-01-01T00:00:00Z", "end": "2025-11-22T00:00:00Z"}, "start"),
        ({"last": "24h", "start": "2025-11-23T00:00:00Z"}, "last"),
        ({"zone": "Mars/Olympus"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
        ({"lsat": "24h"}, "lsat"),
        ({"limit": "5"}, "limit"),
        ({"method": "G\x00T"}, "method"),
    ],
)
def test_what_can_not_be_used_is_refused_by_name(api, parameters, field):
    refused(api.get(f"{API}overview", parameters), 400, field)


@pytest.mark.parametrize(
    ("path", "parameters", "field"),
    [
        ("overview", {"last": "1y"}, "last"),
        ("timeseries", {"step": "week"}, "step"),
        ("routes", {"sort": "name"}, "sort"),
        ("routes", {"status_class": "6xx"}, "status_class"),
        ("routes", {"format": "xml"}, "format"),
        ("routes", {"offset": "-1"}, "offset"),
        ("route", {}, "route"),
        ("events", {"cursor": "1"}, "cursor"),
        ("events", {"client": "192.0.2.1"}, "client"),
        ("top-values/path", {}, "kind"),
        ("dead-letters", {"reason": "bad"}, "reason"),
        ("dead-letters", {"state": "alive"}, "state"),
        ("dead-letters/0", {}, "letter_id"),
        ("dead-letters/x", {}, "letter_id"),
    ],
)
def test_the_wrong_form_is_refused_by_name(api, path, parameters, field):
    refused(api.get(API + path, parameters), 422, field)


def test_a_plus_that_became_a_blank_is_explained(api):
    answer = api.get(f"{API}overview?start=2025-11-23T12:00:00+01:00")
    assert "%2B" in refused(answer, 400, "start")["detail"]


def test_the_snapshot_has_no_parameters(api):
    refused(api.get(f"{API}snapshot", {"last": "7d"}), 400, "last")


def test_a_parameter_given_twice_is_refused(api):
    refused(api.get(f"{API}routes?sort=errors&sort=requests"), 400, "sort")


@pytest.mark.parametrize("path", ["/stats/api", "/stats/api/", "/stats/api/nothing", "/stats/api/overview/"])
def test_what_is_not_there_is_a_problem(api, path):
    answer = api.get(path)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")


def test_more_parameters_than_django_reads_are_a_problem_and_no_error_of_ours(api, caplog):
    answer = api.get(f"{API}overview?{'&'.join(['a'] * 1001)}")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")
    assert "API failed" not in caplog.text


def test_an_error_of_ours_tells_nothing_of_the_inside(api, monkeypatch, caplog):
    def broken(*arguments: Any, **more: Any) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setattr(reports, "overview", broken)
    answer = api.get(f"{API}overview")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")
    assert b"secret" not in answer.content
    assert "the secret of the house" in caplog.text


def test_a_report_has_its_own_transaction_whatever_the_project_does_with_requests(api, monkeypatch):
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    seen = []
    read = reports.overview

    def looked_at(*arguments: Any, **more: Any) -> Any:
        seen.append(connection.in_atomic_block)
        return read(*arguments, **more)

    monkeypatch.setattr(reports, "overview", looked_at)
    assert api.get(f"{API}overview").status_code == 200
    assert seen == [False]


def test_a_statement_that_takes_too_long_is_a_503(api, monkeypatch):
    def slow(*arguments: Any, **more: Any) -> None:
        with reports.reading.reading(0.05) as cursor:
            cursor.execute("SELECT pg_sleep(5)")

    monkeypatch.setattr(reports, "overview", slow)
    answer = api.get(f"{API}overview")
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert "too long" in answer.json()["detail"]


def test_without_the_database_it_is_a_503(api):
    with database_away():
        answer = api.get(f"{API}overview")
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert answer["Retry-After"]
    assert "127.0.0.1" not in answer.json()["detail"]


def test_a_database_that_hangs_is_a_503_in_time(api, monkeypatch):
    monkeypatch.setattr(authentication, "SECONDS", 0.5)
    started = time.monotonic()
    with database_hangs():
        answer = api.get(f"{API}overview")
    assert (answer.status_code, time.monotonic() - started < 3) == (503, True)
    assert api.get(f"{API}overview").status_code == 200


def test_a_database_that_hangs_later_is_a_503_in_time(api, monkeypatch):
    monkeypatch.setattr(bounds, "SECONDS", 0.5)

    def hanging(*arguments: Any, **more: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("SELECT pg_sleep(30)")  # a server that keeps no time-out of its own

    monkeypatch.setattr(reports, "overview", hanging)
    started = time.monotonic()
    assert api.get(f"{API}overview").status_code == 503
    assert time.monotonic() - started < 3
    connection.close()


# --- the document --------------------------------------------------------------------------------


def test_the_document_names_every_endpoint_and_is_read_only(api):
    document = get(api, "openapi.json")
    assert {method for operations in document["paths"].values() for method in operations} == {"get"}
    assert len(document["paths"]) == 10
    assert document["components"]["securitySchemes"].keys() == {"BearerToken", "StaffSession"}


def test_the_page_of_the_document_needs_nobody_else(store):
    page = Client().get(f"{API}docs").content.decode()
    assert "ninja/swagger-ui-bundle.js" in page
    assert "://" not in page.replace('href="http://testserver', "")
    for name in ("ninja/swagger-ui-bundle.js", "ninja/swagger-ui.css", "ninja/swagger-ui-init.js"):
        assert f"/static/{name}" in page
