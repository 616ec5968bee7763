"""The admin in a real browser: one logs in and searches, and its buttons work; `test_every_page` sees all."""

from __future__ import annotations

import pytest
from django.urls import reverse

from gateway.models import QueuedBatch
from stats.models import DeadLetter
from tests.browser.conftest import photograph
from tests.integration.admin_urls import pages

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]


def test_one_logs_in_by_the_form(empty, visit):
    visit.page.context.clear_cookies()
    visit.go("/admin/")
    visit.page.get_by_label("Username").fill("admin")
    visit.page.get_by_label("Password").fill("password")
    visit.page.get_by_role("button", name="Log in").click()
    visit.page.wait_for_url("**/admin/")
    assert visit.page.get_by_role("link", name="Dead letters").first.is_visible()


def test_every_empty_list_fits(empty, visit, tmp_path):
    for place in pages():
        if place.name.endswith("_changelist"):
            visit.go(place.url())
            photograph(visit, tmp_path, f"{place.name}-empty")


def test_a_search_and_what_it_says_when_it_finds_nothing(filled, visit, tmp_path):
    visit.go(reverse("admin:stats_event_changelist"))
    visit.page.click("summary:has-text('What can be searched')")
    photograph(visit, tmp_path, "search-help")
    visit.page.fill("input[name=q]", "path:/nothing")
    visit.page.press("input[name=q]", "Enter")
    visit.page.wait_for_selector("text=only together with an hour")
    photograph(visit, tmp_path, "search-nothing")


def test_a_dead_letter_is_redriven_by_its_button(filled, visit, tmp_path):
    letter = DeadLetter.objects.filter(state="dead").first()
    waiting = QueuedBatch.objects.count()
    visit.go(reverse("admin:stats_deadletter_change", args=[letter.pk]))
    photograph(visit, tmp_path, "redrive-before")
    visit.page.get_by_role("button", name="Redrive").click()
    visit.page.wait_for_selector("text=/1 dead letter put back into the queue/")
    photograph(visit, tmp_path, "redrive-after")
    letter.refresh_from_db()
    assert (letter.state, letter.settled_by) == ("redriven", "admin")
    assert QueuedBatch.objects.count() == waiting + 1
    assert visit.page.get_by_role("button", name="Redrive").count() == 0


def test_dead_letters_are_discarded_from_the_list(filled, visit, tmp_path):
    visit.go(reverse("admin:stats_deadletter_changelist"))
    boxes = visit.page.locator("input.action-select")
    boxes.nth(0).check()
    boxes.nth(1).check()
    visit.page.select_option("select[name=action]", "discard_selected")
    photograph(visit, tmp_path, "discard-selected")
    visit.page.click("button[name=index]")
    visit.page.get_by_label("Note").fill("sent by a scanner")
    photograph(visit, tmp_path, "discard-note")
    visit.page.get_by_role("button", name="Discard").click()
    visit.page.wait_for_selector("text=2 dead letters discarded.")
    assert DeadLetter.objects.filter(state="discarded", note="sent by a scanner").count() == 2
