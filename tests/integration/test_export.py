"""A list is downloaded as it is filtered: whole or told to be cut, by who may, and on record."""

from __future__ import annotations

import csv
import io
import json
import re
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import ProgrammingError, connection
from django.test import AsyncClient, Client
from django.urls import reverse

from gateway import csv_table
from gateway.admin import export
from stats import partitions
from stats.models import DeadLetter, Event, PathStatsDaily, PathStatsHourly
from tests.integration import admin_rows
from tests.integration.admin_pages import found, staff, url
from tests.integration.processes import wait_for
from tests.integration.test_servers import Server

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

EXPORTED = [Event, PathStatsHourly, PathStatsDaily, DeadLetter]
ANSWER_SECONDS = 20
MEGABYTE = 2**20


@pytest.fixture
def admin(store: None, admin_client: Client) -> Client:
    return admin_client


@pytest.fixture
def rows(store: None) -> None:
    admin_rows.fill()


def file_of(client: Client, model: Any, form: str = "csv", **query: str) -> Any:
    return client.post(f"{url(model, 'export')}?{urllib.parse.urlencode(query)}", {"format": form})


def table(answer: Any) -> list[dict[str, str]]:
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/csv; charset=utf-8")
    return list(csv.DictReader(io.StringIO(answer.getvalue().decode(), newline="")))


def lines(answer: Any) -> list[dict[str, Any]]:
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/jsonl; charset=utf-8")
    return [json.loads(line) for line in answer.getvalue().splitlines()]


@pytest.mark.parametrize("model", EXPORTED)
def test_both_forms_hold_every_row_of_the_list(admin: Client, rows: None, model: Any) -> None:
    as_csv, as_json = table(file_of(admin, model)), lines(file_of(admin, model, "json"))
    assert len(as_csv) == len(as_json) == model.objects.count() > 0
    assert list(as_csv[0]) == list(as_json[0])
    key = next(iter(as_csv[0]))
    assert [row[key][:13] for row in as_csv] == [str(row[key])[:13] for row in as_json]


def test_the_file_is_in_the_list_s_order_and_of_what_it_finds(admin: Client, rows: None) -> None:
    shown = [event["idempotent_id"] for event in table(file_of(admin, Event, q="2025-11-23 12"))]
    assert set(shown) == found(admin, Event, "2025-11-23 12")
    assert shown == sorted(shown, reverse=True)
    dead = lines(file_of(admin, DeadLetter, "json", reason__exact="schema"))
    assert {letter["reason"] for letter in dead} == {"schema"}
    assert len(dead) == DeadLetter.objects.filter(reason="schema").count()


def test_a_search_that_can_t_be_done_leads_back_to_the_list_that_says_why(admin: Client, rows: None) -> None:
    answer = admin.post(f"{url(DeadLetter, 'export')}?q=nothing+like+it", {"format": "csv"}, follow=True)
    assert answer.redirect_chain == [(f"{url(DeadLetter)}?q=nothing+like+it", 302)]
    assert "searched by number, event id or time only" in answer.content.decode()


@pytest.mark.parametrize(("form", "status"), [("", 400), ("xlsx", 400), ("csv", 200)])
def test_a_form_that_is_none_is_named(admin: Client, form: str, status: int) -> None:
    answer = file_of(admin, Event, form)
    assert answer.status_code == status
    assert status == 200 or answer.content == b"format: must be csv or json"


def test_a_link_downloads_nothing(admin: Client) -> None:
    assert admin.get(url(Event, "export")).status_code == 405


@pytest.mark.parametrize("query", ["q=%00", "nothing__exact=1", "p=99999", "q=" + "9" * 5000])
def test_an_address_that_makes_no_sense_is_no_fault(admin: Client, rows: None, query: str) -> None:
    answer = admin.post(f"{url(Event, 'export')}?{query}", {"format": "csv"})
    assert answer.status_code in (200, 302, 400)


# --- bounds ---------------------------------------------------------------------------------------


def test_a_file_that_is_cut_says_so_in_its_last_line(admin: Client, rows: None, settings: Any) -> None:
    settings.EXPORT_ROWS = 7
    written = file_of(admin, Event).getvalue().decode().splitlines()
    assert len(written) == 1 + 7 + 1
    assert written[-1] == "# cut after 7 rows (EXPORT_ROWS)"
    assert lines(file_of(admin, Event, "json"))[-1] == {"cut": "cut after 7 rows (EXPORT_ROWS)"}
    assert "7 rows at most" in admin.get(url(Event)).content.decode()


def test_as_many_rows_as_may_be_are_not_cut(admin: Client, rows: None, settings: Any) -> None:
    settings.EXPORT_ROWS = Event.objects.count()
    assert len(table(file_of(admin, Event))) == settings.EXPORT_ROWS


def test_a_file_ends_in_time(admin: Client, rows: None, settings: Any) -> None:
    settings.EXPORT_SECONDS = 0.0
    written = file_of(admin, Event).getvalue().decode().splitlines()
    assert written[-1] == "# cut after 0 s (EXPORT_SECONDS)"


def test_a_statement_that_takes_too_long_ends_the_file_in_time(
    admin: Client, rows: None, settings: Any, monkeypatch: Any
) -> None:
    settings.EXPORT_SECONDS = 0.2
    slow = Event.objects.extra(where=["pg_sleep(1) IS NOT NULL"])
    monkeypatch.setattr(export.ExportAdmin, "_selected", lambda *_: slow)
    written = file_of(admin, Event).getvalue().decode().splitlines()
    assert written[1:] == ["# cut after 0.2 s (EXPORT_SECONDS)"]


def test_a_file_that_breaks_off_does_not_look_whole(admin: Client, rows: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(csv_table, "PART", 10)
    answer = file_of(admin, DeadLetter)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE stats_deadletter RENAME TO gone")
    try:
        with pytest.raises(ProgrammingError):
            answer.getvalue()
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE gone RENAME TO stats_deadletter")
    assert "broken off" in LogEntry.objects.get().change_message


def many_events(count: int) -> None:
    """As many rows, of one day, made by the server."""
    partitions.ensure([partitions.day_of(admin_rows.START)])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO stats_event (idempotent_id, timestamp, path, route, method, status, response_time,"
            " client_ip_hash, request_id, host, user_agent, response_bytes, country)"
            " SELECT (%s + n) || '-0000abcd', %s + n, '/api/items/' || n, '/api/items/{id}', 'GET', 200, 1.5,"
            " '0123456789abcdef', 'request-' || n, 'example.org', 'agent', 10, 'DE'"
            " FROM generate_series(1, %s) AS n",
            [admin_rows.START, admin_rows.START, count],
        )


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_two_hundred_thousand_rows_take_no_more_memory_than_some(admin: Client) -> None:
    many_events(200_000)
    file_of(admin, Event, q="2025-11-23 12:13:20").getvalue()  # what is loaded once
    before, most, size = resident(), 0, 0
    for part in file_of(admin, Event, "json").streaming_content:
        size += len(part)
        most = max(most, resident() - before)
    assert size > 50 * MEGABYTE
    assert most < 16 * MEGABYTE
    assert "Exported 200,000 rows as jsonl, complete." in LogEntry.objects.first().change_message


# --- who, and what is left of it --------------------------------------------------------------------


@pytest.mark.parametrize("model", EXPORTED)
def test_each_list_has_a_permission_of_its_own(rows: None, model: Any) -> None:
    name = model._meta.model_name
    others = [f"view_{name}", *(f"export_{one._meta.model_name}" for one in EXPORTED if one is not model)]
    client = staff(*others)
    assert file_of(client, model).status_code == 403
    assert "Download as CSV" not in client.get(url(model)).content.decode()
    assert not LogEntry.objects.exists()
    User.objects.all().delete()
    client = staff(f"view_{name}", f"export_{name}")
    assert file_of(client, model).status_code == 200
    assert "Download as CSV" in client.get(url(model)).content.decode()
    User.objects.all().delete()
    assert file_of(staff(f"export_{name}"), model).status_code == 403


def test_the_admin_log_says_who_what_and_how_many(admin: Client, rows: None) -> None:
    file_of(admin, DeadLetter, reason__exact="schema", q="").getvalue()
    entry = LogEntry.objects.get()
    count = DeadLetter.objects.filter(reason="schema").count()
    assert entry.user.get_username() == "admin"
    assert entry.content_type.model_class() is DeadLetter
    assert entry.change_message == (
        f"Exported {count:,} rows as csv, complete. Filter: reason__exact=schema&q=."
    )


def test_who_leaves_early_is_on_record_with_what_was_sent(
    admin: Client, rows: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr(csv_table, "PART", 10)
    answer = file_of(admin, Event)
    parts = iter(answer.streaming_content)
    next(parts), next(parts)
    answer.close()
    assert LogEntry.objects.get().change_message.startswith("Exported 10 rows as csv, broken off.")


def test_the_file_s_name_says_what_and_when_in_safe_characters(admin: Client, rows: None) -> None:
    header = file_of(admin, PathStatsHourly)["Content-Disposition"]
    assert re.fullmatch(r'attachment; filename="pathstatshourly-\d{8}T\d{6}Z\.csv"', header), header


# --- servers ----------------------------------------------------------------------------------------


def test_an_asynchronous_server_sends_it_part_by_part(admin: Client, rows: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(csv_table, "PART", 10)
    address = url(Event, "export")
    session = admin.cookies["sessionid"].value

    async def parts() -> list[bytes]:
        client = AsyncClient()
        client.cookies["sessionid"] = session
        answer = await client.post(address, {"format": "csv"})
        return [part async for part in answer.streaming_content]

    sent = async_to_sync(parts)()
    assert len(sent) > 10
    assert b"".join(sent) == file_of(admin, Event).getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gunicorn-sync", "gunicorn-gthread"])
def test_it_is_sent_whole_by_gunicorn(rows: None, tmp_path: Path, kind: str, admin_user: User) -> None:
    many_events(30_000)
    server = Server(kind, tmp_path / "log")
    try:
        assert wait_for(server.is_up, ANSWER_SECONDS), server.log.read_text()
        page = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar := CookieJar()))
        root = f"http://127.0.0.1:{server.port}"

        def post(path: str, **fields: str) -> bytes:
            page.open(f"{root}/admin/login/")
            token = next(cookie.value for cookie in jar if cookie.name == "csrftoken")
            data = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
            return page.open(f"{root}{path}", data, timeout=ANSWER_SECONDS).read()

        post(reverse("admin:login"), username="admin", password="password")
        written = post(url(Event, "export"), format="csv")
        assert written.count(b"\r\n") == Event.objects.count() + 1
        assert server.ask("/healthz") == 200
    finally:
        server.kill()
