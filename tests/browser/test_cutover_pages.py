"""The pages of the cutover in a real browser: a mode is chosen, two verifications and the gate are read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from playwright.sync_api import Locator

from gateway import middleware, modes
from gateway.sender import Sender
from legacy_collector.models import CollectedEvent, CollectedHourly
from stats.consumer import drain
from tests.browser.chromium import DESKTOP, PHONE
from tests.browser.conftest import photograph
from tests.integration.processes import wait_for
from tests.load import get

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]

MODES = "/admin/gateway/modechange/"
REPORTS = "/admin/stats/verificationreport/"
READINESS = f"{REPORTS}readiness/"
ORDERS, USERS = "/api/test/orders", "/api/test/users"
STATES = {"pass", "fail", "not enough data"}
DAY = timedelta(days=1)
# Over for long enough, whenever the test runs.
THE_DAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - 2 * DAY


class Noon:
    """A clock of requests that come on another day at noon, a second apart."""

    def __init__(self, day: datetime) -> None:
        self._ns = int((day + DAY / 2).timestamp()) * 10**9

    def __call__(self) -> int:
        self._ns += 10**9
        return self._ns


@pytest.fixture
def two_verifications(
    empty: None,
    fresh_sender: Sender,
    live_server: Any,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of requests that came on `THE_DAY` in mode dual; before the second one the collector lost some."""
    settings.STATS_MODE = "dual"
    monkeypatch.setattr(middleware, "time_ns", Noon(THE_DAY))
    port = urlsplit(live_server.url).port
    assert {get(port, path) for path in [ORDERS, USERS] * 25} == {200}
    assert wait_for(lambda: CollectedEvent.objects.count() == 50)
    fresh_sender.stop(5.0)
    assert drain().inserted == 50
    assert verify() == 0
    lose(ORDERS, 25)
    lose(USERS, 2)
    assert verify() == 1


def verify() -> int:
    """Its exit code."""
    try:
        since, until = f"{THE_DAY:%Y-%m-%d}", f"{THE_DAY + DAY:%Y-%m-%d}"
        call_command("verify_counts", "--since", since, "--until", until, "--store", stdout=StringIO())
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def lose(route: str, events: int) -> None:
    """The collector never had them."""
    lost = CollectedEvent.objects.filter(route=route).values_list("pk", flat=True)[:events]
    CollectedEvent.objects.filter(pk__in=list(lost)).delete()
    CollectedHourly.objects.filter(route=route).update(requests=25 - events)


def cells(table: Locator) -> Iterator[list[str]]:
    """The texts of each row."""
    for row in table.locator("tbody tr").all():
        yield [" ".join(cell.split()) for cell in row.locator("th, td").all_text_contents()]


def test_a_mode_is_put_into_force_with_a_note_and_stands_in_the_history(empty, visit, tmp_path):
    page = visit.page
    visit.go(f"{MODES}add/")
    page.select_option("select[name=mode]", "sample")
    page.fill("[name=sample_rate]", "0.05")
    page.fill("[name=note]", "second week: 5 % are compared")
    photograph(visit, tmp_path, "modes-form")
    page.click("[name=_save]")
    page.wait_for_url(f"**{MODES}")

    assert modes.in_force() == modes.InForce("sample", 0.05)
    photograph(visit, tmp_path, "modes")
    newest, oldest = (" ".join(row) for row in cells(page.locator("#result_list")))
    for shown in ("sample", "5.000%", "admin", "second week: 5 % are compared"):
        assert shown in newest
    assert "the settings (STATS_MODE)" in oldest


def test_verifications_and_the_gate_are_read(two_verifications, visit, tmp_path):
    page = visit.page
    visit.go(REPORTS)
    photograph(visit, tmp_path, "verifications")
    failed, held = (" ".join(row) for row in cells(page.locator("#result_list")))
    assert "does not hold" in failed
    assert "54.000%" in failed  # 27 of 50
    assert "holds" in held
    assert "0.000%" in held

    page.locator("#result_list tbody th a").first.click()
    page.wait_for_load_state("load")
    photograph(visit, tmp_path, "verification")
    finding = page.locator(".field-row", has_text="Look at this first").inner_text()
    assert f"route {ORDERS}: 25 in the queue path, 0 in the collector" in finding
    assert list(cells(page.locator(".tg-table").first)) == [
        [ORDERS, "25", "0", "0", "25"],
        [USERS, "25", "23", "0", "2"],
    ]

    visit.go(READINESS)
    photograph(visit, tmp_path, "readiness")
    for viewport in (PHONE, DESKTOP):
        page.set_viewport_size(viewport)
        assert page.locator(".tg-table").evaluate("table => table.scrollWidth <= table.clientWidth")
    conditions = {row[0]: row[1:] for row in cells(page.locator(".tg-table"))}
    assert len(conditions) == 10
    assert all(state in STATES and figure and bound for state, figure, bound, _ in conditions.values())
    state, figure, _, advice = conditions["verification"]
    assert (state, figure) == ("fail", "0 of 7 days hold, worst 54.000%")
    assert f"open the verification of {THE_DAY:%m-%d} (UTC)" in advice
