"""From a malformed batch to a counted event, and many letters at once, in a real browser."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.urls import reverse
from playwright.sync_api import expect

from gateway.events import encode
from stats.consumer import drain
from stats.models import DeadLetter, Event
from tests.browser.conftest import Visit, photograph
from tests.integration.letters import broken, bury_broken, rolled_up

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]

MANY = 900


def bury_many() -> None:
    """More than some chunks take, all of one group."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO stats_deadletter (payload, route, reason, error, traceback, deliveries, state,"
            " settled_by) SELECT '{\"n\": ' || n || '}', '/many', 'schema', '', '', 1, 'dead', ''"
            " FROM generate_series(1, %s) AS n",
            [MANY],
        )


def test_a_malformed_event_is_found_mended_redriven_and_counted(
    empty: None, visit: Visit, make_event: Any, tmp_path: Any
) -> None:
    event = make_event(route="/api/orders/{id}")
    bury_broken(event)
    button, link = partial(visit.page.get_by_role, "button"), partial(visit.page.get_by_role, "link")

    visit.go(reverse("admin:stats_deadletter_groups"))
    photograph(visit, tmp_path, "groups")
    link(name="/api/orders/{id}").click()
    link(name=re.compile(r"^#\d+$")).click()
    photograph(visit, tmp_path, "letter")
    link(name="Edit the payload").click()
    payload = visit.page.get_by_role("textbox", name="Payload")
    payload.fill(broken(event).replace("9999", "999"))
    button(name="Save and redrive").click()
    expect(visit.page.get_by_text("status: Expected `int` <= 599", exact=True)).to_be_visible()
    photograph(visit, tmp_path, "edit")
    payload.fill(encode(event).decode())
    button(name="Save and redrive").click()
    expect(button(name="Undo")).to_be_visible()
    photograph(visit, tmp_path, "waiting")
    button(name="Deliver now").click()
    expect(button(name="Deliver now")).to_have_count(0)
    drain()

    assert (Event.objects.get().idempotent_id, rolled_up()) == (event.idempotent_id, 1)
    visit.page.reload()
    expect(visit.page.get_by_text("As received, before it was edited")).to_be_visible()
    photograph(visit, tmp_path, "counted")


def test_all_of_a_group_are_redriven_with_progress_and_undone(
    empty: None, beside: None, visit: Visit, tmp_path: Any
) -> None:
    bury_many()
    visit.go(reverse("admin:stats_deadletter_groups"))
    visit.page.get_by_role("link", name="Redrive all").click()
    expect(visit.page.get_by_text(f"{MANY} dead letters are put back")).to_be_visible()
    photograph(visit, tmp_path, "redrive-all")
    visit.page.get_by_role("button", name="Redrive").click()
    photograph(visit, tmp_path, "progress")

    expect(visit.page.get_by_text(f"{MANY} of {MANY} done")).to_be_visible(timeout=20_000)
    undo = visit.page.get_by_role("button", name="Undo")
    expect(undo).to_be_visible()
    assert DeadLetter.objects.filter(state="redriven").count() == MANY
    undo.click()
    expect(visit.page.get_by_text("Undo a redrive of dead letters").first).to_be_visible()

    expect(visit.page.get_by_text(f"{MANY} of {MANY} done")).to_be_visible(timeout=20_000)
    photograph(visit, tmp_path, "undone")
    assert DeadLetter.objects.filter(state="dead").count() == MANY
