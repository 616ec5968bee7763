"""Starts a system as README says, imports the shop's log, and photographs what PAGES names.

script/screenshots [FOLDER]
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import ARGUMENTS, CHROMIUM, DESKTOP, PHONE
from tests.integration.processes import ROOT, wait_for
from tests.integration.stack import Server, served
from tests.screenshots.shop_log import lines

FOLDER = ROOT / "docs" / "screenshots"
IMPORT_SECONDS = 300

ARRIVAL = time.time_ns() // 1_000_000 - 3_600_000
WRONG = {"path": "/api/orders/77", "method": "GET", "status": 200, "response_time": 31.0}
# Of which route, what is wrong, how often.
BUGS: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("/api/orders/{id}", {"status": 7}, 14),
    ("/api/search", {"response_time": "fast"}, 5),
    ("/api/cart", {"client_ip_hash": 12}, 2),
)


@dataclass(frozen=True)
class Picture:
    """A page as the documents show it."""

    name: str
    path: str
    dark: bool = False
    phone: bool = False


PICTURES = (
    Picture("overview", "/admin/?last=7d&compare=1"),
    Picture("overview-phone", "/admin/?last=24h", phone=True),
    Picture(
        "route-dark",
        f"/admin/stats/pathstatshourly/route/?route={quote('/api/orders/{id}')}&last=24h",
        dark=True,
    ),
    Picture("dead-letters", "/admin/stats/deadletter/groups/"),
    Picture("alert-rules", "/admin/stats/alertrule/"),
)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tg-") as var, served(Path(var) / "var") as (server,):
        password = re.search(r"password (\S+) \(shown", server.output())
        assert password, server.output()
        _fill(server, Path(var) / "access.log")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            for picture in PICTURES:
                _take(browser, server, password[1], picture, folder)


def _fill(server: Server, log: Path) -> None:
    written = [line + "\n" for line in lines(datetime.now(UTC))]
    log.write_text("".join(written))
    done = server.manage("import_access_log", str(log), "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert server.drained(len(written), IMPORT_SECONDS), server.status()
    server.manage("roll_up_days")
    _bury(server)


def _bury(server: Server) -> None:
    """Events that no consumer takes: what a proxy with a bug of its own may have made of them."""
    wrong = [
        {**WRONG, "idempotent_id": f"{ARRIVAL}-{number:08x}", "timestamp": ARRIVAL, "route": route, **bug}
        for route, bug, count in BUGS
        for number in range(count)
    ]
    server.rows(
        "INSERT INTO gateway_queuedbatch (payload, events, max_deliveries) VALUES (%s, %s, 3)",
        json.dumps(wrong),
        len(wrong),
    )
    assert wait_for(lambda: server.rows("SELECT count(*) FROM stats_deadletter") == [(len(wrong),)], 30)


def _take(browser: Browser, server: Server, password: str, picture: Picture, folder: Path) -> None:
    context = browser.new_context(
        viewport=PHONE if picture.phone else DESKTOP,  # type: ignore[arg-type]
        color_scheme="dark" if picture.dark else "light",
        device_scale_factor=1.5 if picture.phone else 1,
    )
    page = context.new_page()
    _log_in(page, server, password)
    page.goto(server.url + picture.path, wait_until="networkidle")
    page.evaluate("document.fonts.ready")
    target = folder / f"{picture.name}.png"
    page.screenshot(path=target)
    print(target)
    context.close()


def _log_in(page: Page, server: Server, password: str) -> None:
    page.goto(f"{server.url}/admin/")
    page.fill("input[name=username]", "admin")
    page.fill("input[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url("**/admin/")
    # The strip is fine once the import has been digested.
    assert wait_for(lambda: page.locator(".tg-sign").count() > 0, 10)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
