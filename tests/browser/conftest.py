"""A real Chromium, logged in to a live server whose tables are filled.

DJANGO_ALLOW_ASYNC_UNSAFE: playwright's synchronous API keeps an event loop in the test's thread, which
Django takes for asynchronous code.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Page

from tests.browser.chromium import ARGUMENTS, CHROMIUM, DESKTOP, PHONE
from tests.browser.soundness import too_wide
from tests.integration import admin_rows
from tests.integration.processes import wait_for

os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"

# Taken for who wants to see them, below pytest's --basetemp: each takes as long as its page.
PICTURES = bool(os.environ.get("PICTURES"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM or os.environ.get("CI"):
        return
    missing = pytest.mark.skip(reason="NO CHROMIUM FOUND: NO PAGE WAS LOOKED AT (apt-get install chromium)")
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(missing)


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    return {"executable_path": CHROMIUM, "args": ARGUMENTS, "headless": True}


@pytest.fixture
def empty(store: None, admin_user: Any) -> None:
    """Nothing recorded, and somebody to log in."""


@pytest.fixture
def filled(empty: None) -> None:
    admin_rows.fill()


class Visit:
    """A page that remembers what went wrong on it."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("dialog", self._interrupted)
        page.on("request", lambda request: self._asked(request.url))
        page.on("response", self._answered)

    def go(self, path: str) -> None:
        # Not until the network is idle: that waits half a second more for each page.
        self.page.goto(self.address + path, wait_until="load")
        self.page.evaluate("document.fonts.ready")

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{self.page.url}: {message.type}: {message.text}")

    def _interrupted(self, dialog: Any) -> None:
        self.complaints.append(f"{self.page.url}: a dialog says {dialog.message}")
        dialog.dismiss()

    def _asked(self, url: str) -> None:
        if not url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"{self.page.url}: asks {url}")

    def _answered(self, response: Any) -> None:
        if response.status >= 400:
            self.complaints.append(f"{self.page.url}: {response.status} for {response.url}")


@pytest.fixture
def visit(live_server: Any, page: Page, admin_user: Any, settings: Any) -> Iterator[Visit]:
    """Logged in. Ends with an assertion that nothing was amiss on any page."""
    page.set_viewport_size(DESKTOP)
    client = Client()
    client.force_login(admin_user)
    name = settings.SESSION_COOKIE_NAME
    session = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    page.context.add_cookies([session])
    visit = Visit(page, live_server.url)
    yield visit
    assert visit.complaints == []


def photograph(visit: Visit, folder: Path, name: str) -> None:
    """Both widths; the page itself must fit either (a wide table may scroll inside it)."""
    for size, viewport in (("desktop", DESKTOP), ("phone", PHONE)):
        visit.page.set_viewport_size(viewport)
        # Charts follow the window when the browser has time.
        assert wait_for(lambda: not too_wide(visit.page), 5), f"{name} is too wide for {size}"
        if PICTURES:
            visit.page.screenshot(path=folder / f"{name}-{size}.png")
    visit.page.set_viewport_size(DESKTOP)
