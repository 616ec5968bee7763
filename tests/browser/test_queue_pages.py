"""The queue in a real browser: paused and resumed under traffic, purged and recovered."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from gateway.models import QueuedBatch
from gateway.sender import Sender
from stats import background, repairs
from stats.consumer import drain
from stats.models import DeadLetter, Event, JobRun
from tests.browser.conftest import photograph
from tests.integration.processes import wait_for
from tests.load import get

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]

QUEUE = "/admin/gateway/queuedbatch/"


@pytest.fixture
def traffic(empty: None, fresh_sender: Sender, live_server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sends real requests; what a page would start in the background waits for the test."""
    monkeypatch.setattr(background, "start", lambda *command, **options: True)
    port = urlsplit(live_server.url).port

    def request(number: int) -> None:
        before = sum(batch.events for batch in QueuedBatch.objects.all())
        assert {get(port, f"/api/test/{name}") for name in range(number)} == {200}
        assert wait_for(lambda: sum(b.events for b in QueuedBatch.objects.all()) == before + number)

    return request


def test_paused_traffic_waits_the_band_says_so_and_resumed_it_is_counted(traffic, visit, tmp_path):
    page = visit.page
    drain()
    visit.go(QUEUE)
    page.get_by_text("Pause consumption").click()
    page.get_by_label("Why").fill("the disk is changed")
    photograph(visit, tmp_path, "pause")
    page.get_by_role("button", name="Pause", exact=True).click()
    band = page.get_by_role("region", name="Consumer paused")
    expect(band).to_contain_text("Paused by admin")
    expect(band).to_contain_text("the disk is changed")

    traffic(7)
    assert drain().batches == 0
    visit.go(QUEUE)
    photograph(visit, tmp_path, "paused")
    expect(page.locator("#result_list")).to_contain_text("the paused consumer")
    visit.go("/admin/")
    page.get_by_role("link", name="paused by admin").click()

    band.get_by_role("button", name="Resume").click()
    page.wait_for_selector("text=The consumer goes on.")
    expect(band).to_have_count(0)
    assert drain().inserted == Event.objects.count() == 7


def test_a_purge_is_confirmed_by_typing_and_what_it_took_is_recovered(traffic, visit, tmp_path):
    page = visit.page
    traffic(5)
    visit.go(QUEUE)
    page.get_by_role("link", name="Purge the queue").click()
    page.get_by_label("Why").fill("a load test")
    page.get_by_label("The name of the queue").fill("yes")
    page.get_by_role("button", name="Purge").click()
    page.wait_for_selector("text=Not purged")
    photograph(visit, tmp_path, "purge")
    assert QueuedBatch.objects.exists()

    page.get_by_label("The name of the queue").fill("traffic-events")
    page.get_by_role("button", name="Purge").click()
    page.wait_for_url("**/stats/repair/**")
    assert repairs.carry_out_all() == 1
    assert not QueuedBatch.objects.exists()
    assert DeadLetter.objects.filter(state="discarded", reason="purged").count() == 5

    visit.go(QUEUE)
    photograph(visit, tmp_path, "purged")
    page.get_by_role("button", name="Recover what was purged").click()
    page.wait_for_url("**/stats/repair/**")
    assert repairs.carry_out_all() == 1
    assert drain().inserted == Event.objects.count() == 5


def test_a_job_is_run_and_a_fallback_replayed(traffic, visit, tmp_path):
    page = visit.page
    visit.go("/admin/stats/jobrun/jobs/")
    photograph(visit, tmp_path, "jobs")
    page.get_by_role("button", name="Run now: Readiness").click()
    page.wait_for_selector("text=running")
    JobRun.objects.update(ended_at=timezone.now(), exit_code=0, output="as its process would")
    page.wait_for_selector("text=all is well")  # by itself
    visit.go("/admin/stats/jobrun/fallback/")
    photograph(visit, tmp_path, "fallback")
    page.get_by_role("button", name="Replay now").click()
    page.wait_for_selector("text=Started.")
