"""An alert in a real browser: a rule is made, errors come, it fires, a webhook gets it, and it ends."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from gateway import queue
from gateway.events import encode
from stats import background
from stats.alerts import evaluation, signing
from stats.alerts.sending import send_due
from stats.consumer import drain
from stats.models import AlertChannel, AlertRule
from tests.browser.conftest import photograph
from tests.integration.alert_receivers import Hook, hook

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]


def send_in_a_thread(*_: Any) -> bool:
    """A process of its own would not know the test's database."""

    def work() -> None:
        try:
            send_due()
        finally:
            connections.close_all()

    threading.Thread(target=work).start()
    return True


@pytest.fixture
def receiver(empty: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    AlertRule.objects.all().delete()  # those that `migrate` makes
    settings.ALERT_WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    monkeypatch.setattr(background, "start", send_in_a_thread)
    with hook() as one:
        yield one


def requests(make_event: Any, number: int, status: int) -> None:
    now = int(time.time() * 1000) - 60_000
    queue.send([encode(make_event(timestamp=now + one, status=status)) for one in range(number)])
    drain()


def heard(receiver: Hook) -> list[tuple[str, Any]]:
    """Events, and the values they tell of. Every message is genuine."""
    secret = AlertChannel.objects.get().secret
    for one in receiver.received:
        stamp, signature = one.headers["Tallygate-Timestamp"], one.headers["Tallygate-Signature"]
        assert signing.verify(secret, stamp, one.body, signature, time.time())
    bodies = [json.loads(one.body) for one in receiver.received]
    return [(body["event"], body["alert"] and body["alert"]["value"]) for body in bodies]


def test_from_a_rule_to_its_messages(make_event, receiver, visit, tmp_path):
    page = visit.page
    visit.go("/admin/stats/alertchannel/add/")
    page.get_by_label("Name").fill("on call")
    page.get_by_label("Kind").select_option("webhook")
    page.get_by_label("Address").fill(receiver.url)
    photograph(visit, tmp_path, "channel-form")
    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("It is shown only now").wait_for()
    photograph(visit, tmp_path, "channel-secret")
    page.get_by_role("link", name="To the channel").click()
    page.get_by_role("button", name="Send test message").click()
    page.get_by_text("sent", exact=True).wait_for()
    assert heard(receiver) == [("alert.test", None)]

    visit.go("/admin/stats/alertrule/add/")
    page.get_by_label("Name").fill("Errors of items")
    page.get_by_label("Measured").select_option("error_rate")
    page.get_by_label("Route").fill("/api/items/*")
    page.get_by_label("Fires from").fill("20")
    for field in ("Minutes until it fires", "Minutes until it clears", "Cool-down, minutes"):
        page.get_by_label(field).fill("0")
    page.get_by_label("on call").check()
    photograph(visit, tmp_path, "rule-form")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_url("**/alertrule/")

    requests(make_event, 60, 200)
    requests(make_event, 40, 500)
    page.locator("#result_list").get_by_role("link", name="Errors of items").click()
    page.get_by_role("link", name="Test", exact=True).click()
    tried = page.locator(".tg-facts").inner_text()
    assert "40 % (40 of 100 requests)" in tried
    assert "would fire now" in tried
    photograph(visit, tmp_path, "rule-tried")

    evaluation.evaluate()
    send_due()
    visit.go("/admin/stats/alertrule/")
    photograph(visit, tmp_path, "rules")
    assert re.search(r"firing\s+40 %\s+20 %, 16 %", page.locator("#result_list").inner_text(), re.IGNORECASE)
    visit.go("/admin/")
    page.get_by_role("link", name="Alerts 1 firing").click()
    page.wait_for_url("**/admin/stats/alert/**")
    page.locator("#result_list").get_by_role("link", name="Errors of items").click()
    page.get_by_label("Note").first.fill("a release, rolled back")
    photograph(visit, tmp_path, "alert")
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_text("Acknowledged.").first.wait_for()

    requests(make_event, 900, 200)
    evaluation.evaluate()
    send_due()
    visit.go("/admin/stats/alert/")
    photograph(visit, tmp_path, "alerts")
    row = page.locator("#result_list tbody").inner_text()
    assert re.search(r"over.*40 %.*admin", row, re.DOTALL | re.IGNORECASE)
    visit.go("/admin/stats/alertdelivery/")
    photograph(visit, tmp_path, "messages")
    assert heard(receiver) == [("alert.test", None), ("alert.fired", 40.0), ("alert.resolved", 4.0)]
