"""What somebody sees who starts the system for the first time: a password, what to do next, a number."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Visit
from tests.integration.stack import served
from tests.load import get

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_one_logs_in_with_the_printed_password_and_sees_the_first_request(page: Page, tmp_path: Path) -> None:
    with served(tmp_path / "var", first_start=True) as (server,):
        password = re.search(r"Superuser created: admin, password (\S+) ", server.output())
        assert password is not None, server.output()
        visit = Visit(page, server.url)
        visit.go("/admin/")
        page.get_by_label("Username").fill("admin")
        page.get_by_label("Password").fill(password[1])
        page.get_by_role("button", name="Log in").click()
        page.wait_for_selector("text=Nothing was counted in this time")
        page.get_by_text(f"curl {server.url}/api/test").wait_for()

        assert get(server.port, "/api/test/first") == 200
        began = time.monotonic()
        page.wait_for_selector(".tg-card:has-text('Requests') .tg-value:text-is('1')", timeout=20_000)
        took = time.monotonic() - began

        print(f"the first request was on the page after {took:.2f} s")
        assert server.rows("SELECT count(*) FROM stats_event") == [(1,)]
        assert visit.complaints == []
