"""Every page in a real browser, full of what somebody hostile sent: nothing runs, and everybody can use it.

What is refused by the Content-Security-Policy is an error on the console, and so a complaint of `visit`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from gateway.admin.readonly import ReadOnlyAdmin
from tests import hostile_values
from tests.browser.conftest import DESKTOP, PHONE, PICTURES, Visit
from tests.browser.soundness import ALL_RULES, SOME_RULES, grave_faults, in_theme, injected, still, too_wide
from tests.integration import admin_rows
from tests.integration.admin_urls import addresses, pages

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]

LOOKS = (("light", DESKTOP, ALL_RULES), ("dark", PHONE, SOME_RULES))
# Its markup is Swagger UI's, of which we have only the style.
DOCUMENT = "/stats/api/docs"


@pytest.fixture
def hostile(empty: None, fresh_sender: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ReadOnlyAdmin, "list_per_page", 10)  # each row is looked at
    admin_rows.fill()
    hostile_values.send(fresh_sender)
    hostile_values.store()


def shown(client: Client) -> list[str]:
    """The addresses of all pages that answer a GET; the others are actions."""
    found = [address for place in pages() for address in addresses(place)]
    return [address for address in found if client.get(address).status_code == 200]


def faults_of(visit: Visit, address: str, folder: Path) -> list[str]:
    visit.go(address)
    still(visit.page)
    found = []
    for theme, viewport, rules in LOOKS:
        visit.page.set_viewport_size(viewport)
        in_theme(visit.page, theme)
        found += [f"{address} {theme}: {fault}" for fault in grave_faults(visit.page, rules)]
        if width := too_wide(visit.page):
            found.append(f"{address}: {width} px wider than {viewport['width']}")
        if PICTURES:
            name = re.sub(r"\W+", "-", address.partition("?")[0]).strip("-")
            visit.page.screenshot(path=folder / f"{name}-{theme}-{viewport['width']}.png", full_page=True)
    visit.page.set_viewport_size(DESKTOP)
    return found + [f"{address}: {element}" for element in injected(visit.page)]


def test_no_page_runs_what_was_sent_or_keeps_anybody_out(
    hostile: None, admin_client: Client, visit: Visit, tmp_path: Path
) -> None:
    asked = shown(admin_client)
    faults = [fault for address in asked for fault in faults_of(visit, address, tmp_path)]
    visit.go(DOCUMENT)
    visit.page.wait_for_selector(".opblock")
    visit.page.context.clear_cookies()
    faults += faults_of(visit, "/admin/login/", tmp_path)
    assert len(asked) > 40
    assert not faults, "\n".join(faults)
