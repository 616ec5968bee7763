"""The first page in a real browser: the database's numbers, alive, in each width and theme."""

from __future__ import annotations

import time

import pytest

from gateway import queue
from gateway.events import encode
from stats.consumer import drain
from stats.models import Event
from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.test_admin_pages import photograph
from tests.integration.api_traffic import traffic

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]

EVERY_MS = 5_000  # between two looks of the page


def requests_shown(visit):
    return visit.page.locator(".tg-card", has_text="Requests").locator(".tg-value").inner_text()


def test_it_shows_what_was_counted_and_what_comes_without_being_loaded_anew(
    empty, make_event, visit, tmp_path
):
    visit.page.clock.install()
    visit.go("/admin/")
    visit.page.wait_for_selector("text=Nothing was counted in this time")
    photograph(visit, tmp_path, "dashboard-empty")

    events = traffic(make_event)
    visit.page.clock.fast_forward(EVERY_MS)
    visit.page.wait_for_selector(".tg-cards", timeout=10_000)
    assert requests_shown(visit) == str(len(events)) == str(Event.objects.count())
    for theme in ("light", "dark"):
        visit.page.evaluate(
            f"document.documentElement.classList.toggle('dark', {str(theme == 'dark').lower()})"
        )
        photograph(visit, tmp_path, f"dashboard-{theme}")

    visit.page.evaluate("window.untouched = document.querySelector('canvas.chart')")
    visit.page.evaluate("window.scrollTo(0, 300)")
    queue.send([encode(make_event(timestamp=int(time.time() * 1000), route="/new")) for _ in range(10)])
    drain()
    visit.page.clock.fast_forward(EVERY_MS)
    visit.page.wait_for_function(f"document.body.innerText.includes('{len(events) + 10}')", timeout=10_000)
    assert visit.page.evaluate("window.scrollY") == 300
    assert visit.page.evaluate("window.untouched.isConnected")
    assert visit.page.evaluate("document.querySelector('[data-state=live]') !== null")


def test_a_range_and_an_order_are_in_the_address(empty, make_event, visit):
    traffic(make_event)
    visit.go("/admin/")
    visit.page.click("nav[aria-label=Range] >> text=7 days")
    visit.page.wait_for_url("**last=7d*")
    visit.page.click("nav[aria-label='Order of routes'] >> text=Slowest")
    visit.page.wait_for_url("**sort=p95*")
    assert "last=7d" in visit.page.url
    visit.page.fill("input[name=search]", "orders")
    visit.page.press("input[name=search]", "Enter")
    visit.page.wait_for_url("**search=orders*")
    assert visit.page.locator(".tg-table tbody tr").count() == 1
    for viewport in (PHONE, DESKTOP):
        visit.page.set_viewport_size(viewport)
        assert visit.page.locator(".tg-table tbody tr").is_visible()


def test_it_says_when_what_it_shows_is_stale(empty, make_event, visit):
    traffic(make_event)
    visit.page.clock.install()
    visit.go("/admin/")
    visit.page.context.set_offline(True)
    visit.page.clock.fast_forward(EVERY_MS)
    visit.page.wait_for_selector("[data-state=stale]", timeout=10_000)
    assert "Stale since" in visit.page.locator(".tg-live").inner_text()
    visit.page.context.set_offline(False)
    visit.page.clock.fast_forward(EVERY_MS)
    visit.page.wait_for_selector("[data-state=live]", timeout=10_000)
    # The failed look is what was wanted.
    visit.complaints[:] = [one for one in visit.complaints if "ERR_INTERNET_DISCONNECTED" not in one]


def test_a_route_has_a_page_of_its_own(empty, make_event, visit, tmp_path):
    events = traffic(make_event)
    visit.go("/admin/?last=7d")
    photograph(visit, tmp_path, "dashboard-week")
    visit.page.get_by_role("link", name="/api/orders").click()
    visit.page.wait_for_url("**/route/?route=%2Fapi%2Forders&last=7d")
    visit.page.wait_for_load_state("load")
    assert requests_shown(visit) == str(sum(event.route == "/api/orders" for event in events))
    photograph(visit, tmp_path, "route")
    visit.page.locator(".tg-table tbody a").first.click()
    visit.page.wait_for_url("**/admin/stats/event/*/change/")
