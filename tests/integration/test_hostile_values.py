"""Stored text never runs: not as markup on any page, not as a formula in any table."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.http import urlencode

from stats.models import DeadLetter, Event
from tests import hostile_values
from tests.hostile_values import MARK, MARKUP, TEXTS
from tests.integration import admin_rows
from tests.integration.admin_urls import addresses, pages

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

RUNNING = ("x-", "hx-", "@", ":")  # attributes that unfold's scripts read
LINKS = ("href", "src", "action", "formaction")
START = "start=2025-11-23T00:00&end=2025-11-24T00:00"


class Markup(HTMLParser):
    """Finds what could run, or came from no template of ours."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._element = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._element = tag
        for name, value in attributes:
            text = value or ""
            if (
                MARK in name
                or name.startswith("on")
                or (name.startswith(RUNNING) and MARK in text)
                or (name in LINKS and text.strip().lower().startswith(("javascript:", "data:text")))
            ):
                self.found.append(f"<{tag} {name}={text[:80]!r}>")

    def handle_endtag(self, tag: str) -> None:
        self._element = ""

    def handle_data(self, data: str) -> None:
        if self._element in ("script", "style") and MARK in data:
            self.found.append(f"<{self._element}> {data[:80]!r}")


def running(answer: Any) -> list[str]:
    markup = Markup()
    markup.feed(answer.content.decode())
    return markup.found


@pytest.fixture
def hostile(store: None, fresh_sender: Any, admin_client: Client) -> Client:
    admin_rows.fill()
    assert hostile_values.send(fresh_sender) > 0
    hostile_values.store()
    return admin_client


def test_no_page_of_the_admin_runs_what_was_sent(hostile: Client) -> None:
    shown = 0
    for place in pages():
        for address in addresses(place):
            answer = hostile.get(address, follow=True)
            assert answer.status_code in (200, 405), address
            assert running(answer) == [], address
            shown += MARK in answer.content.decode()
    assert shown >= 10  # or nothing was tried


def test_no_page_runs_what_its_address_says(hostile: Client) -> None:
    lists = [place.url() for place in pages() if place.name.endswith("_changelist")]
    texts = [MARKUP[1], MARKUP[6], "\x00"]
    for text in texts:
        for address in lists:
            answer = hostile.get(address, {"q": text, "state": text, "p": text, "e": text})
            assert answer.status_code in (200, 302, 400), (address, text)
            assert running(answer) == [], (address, text)
        for query in ("search", "route", "sort", "start", "last", "zone"):
            index = hostile.get(reverse("admin:index"), {query: text})
            assert (index.status_code, running(index)) == (200, []), (query, text)
        for route in (text, TEXTS[-1]):
            page = hostile.get(f"{reverse('admin:stats_route')}?{urlencode({'route': route})}&{START}")
            assert page.status_code in (200, 404)
            assert running(page) == [], (route, text)


def test_what_was_sent_is_kept_as_it_was(hostile: Client) -> None:
    """Escaped where it is shown, not where it is stored."""
    paths = set(Event.objects.filter(path__contains=MARK).values_list("path", flat=True))
    assert f"/api/test/{MARKUP[0]}" in paths
    assert set(TEXTS) <= set(DeadLetter.objects.values_list("payload", flat=True))


def test_the_api_answers_json_that_no_browser_takes_for_a_page(hostile: Client) -> None:
    for path in ("events", "routes", "dead-letters", "top-values/user_agent", "overview"):
        answer = hostile.get(f"/stats/api/{path}", {"last": "24h", "limit": 500} if path == "events" else {})
        assert answer.status_code == 200, (path, answer.content)
        assert answer["Content-Type"].startswith("application/json")
        assert answer["X-Content-Type-Options"] == "nosniff"
        json.loads(answer.content)


@pytest.mark.parametrize("name", ["stats_event", "stats_pathstatshourly", "stats_deadletter"])
def test_no_cell_of_a_downloaded_table_is_a_formula(hostile: Client, name: str) -> None:
    answer = hostile.post(reverse(f"admin:{name}_export"), {"format": "csv"})
    rows = list(csv.reader(io.StringIO(answer.getvalue().decode(), newline="")))
    cells = [cell for row in rows[1:] for cell in row]
    disarmed = [cell for cell in cells if cell.startswith("'")]
    assert not [cell for cell in cells if cell[:1] in tuple("=+-@\t\r\uff1d") and not is_number(cell)]
    assert len(disarmed) >= (3 if name == "stats_deadletter" else 0)


def is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_a_downloaded_line_of_json_holds_what_was_sent(hostile: Client) -> None:
    answer = hostile.post(reverse("admin:stats_deadletter_export"), {"format": "json"})
    lines = [json.loads(line) for line in answer.getvalue().splitlines()]
    assert set(TEXTS) <= {line["payload"] for line in lines}
