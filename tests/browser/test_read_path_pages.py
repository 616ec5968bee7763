"""A share of the readers is moved in a real browser, and the collector's counts are then what one sees."""

from __future__ import annotations

import pytest

from stats import read_from
from tests.browser.test_admin_pages import photograph

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]


@pytest.fixture(autouse=True)
def _as_the_settings_say():
    yield
    read_from.forget()


def test_readers_are_moved_to_the_collector_and_see_its_counts(filled, visit, tmp_path):
    visit.go("/admin/stats/readchange/")
    photograph(visit, tmp_path, "read-path-empty")
    visit.page.click("a[href$='/readchange/add/']")
    visit.page.fill("input[name=percent]", "0")
    visit.page.fill("textarea[name=queue_readers]", "token:grafana")
    visit.page.fill("textarea[name=note]", "a look at what it was")
    photograph(visit, tmp_path, "read-path-form")
    visit.page.click("button[name=_save]")
    visit.page.wait_for_url("**/admin/stats/readchange/")
    visit.page.wait_for_selector("text=0 % of the readers")
    photograph(visit, tmp_path, "read-path")
    visit.page.locator("#result_list tbody th a").first.click()
    visit.page.wait_for_load_state("load")
    photograph(visit, tmp_path, "read-path-detail")

    visit.go("/admin/stats/pathstatshourly/")
    visit.page.wait_for_selector("text=Answered by the legacy collector")
    photograph(visit, tmp_path, "hourly-of-the-collector")
    visit.page.click("text=The queue path's hourly statistics")
    visit.page.wait_for_url("**/admin/stats/pathstatshourly/?p=1")


def test_compared_answers_say_where_they_come_from(filled, visit, tmp_path):
    visit.go("/admin/stats/readcomparison/")
    visit.page.wait_for_selector("text=No answer has been compared.")
    photograph(visit, tmp_path, "compared-empty")
