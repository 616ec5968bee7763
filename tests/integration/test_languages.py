"""Every page of the admin in Chinese holds no English of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from gateway import modes
from gateway.models import ModeChange, QueuedBatch
from stats import read_from
from stats.consumer import drain
from stats.models import (
    Alert,
    AlertChannel,
    AlertDelivery,
    AlertRule,
    AlertState,
    ApiToken,
    ReadChange,
    ReadComparison,
)
from stats.verification import Verdict
from stats.verification import store as keep
from tests.integration import admin_rows, admin_urls
from tests.integration.admin_pages import url
from tests.integration.test_cutover_pages import DAY, report
from tests.integration.visible import visible
from tests.messages import catalogue
from tests.messages.catalogue import texts

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

PAGES = [model for model in admin.site._registry if model._meta.app_label != "auth"]
HOURS = timedelta(hours=2)
DATA = {"fallback", "fine", "Webhook"}  # a code, the result of a task, and a name
PLACEHOLDER = re.compile(r"%\\\(\w+\\\)[sd]|\\\{\w+\\\}")


@pytest.fixture
def chinese(store: None, admin_client: Client) -> Iterator[Client]:
    admin_client.cookies[settings.LANGUAGE_COOKIE_NAME] = "zh-hans"
    yield admin_client
    modes.forget()
    read_from.forget()


@pytest.fixture
def rows(store: None, send, make_event) -> None:
    """Something on every page, traffic of this hour with it."""
    admin_rows.fill()
    fill_alerts()
    now = int(timezone.now().timestamp() * 1000)
    send(
        *[make_event(timestamp=now - number * 1000, status=200 + 300 * (number % 2)) for number in range(40)]
    )
    drain()
    modes.change("sample", 0.05, by="ann")
    read_from.change(read_from.in_force()._replace(percent=10), by="ann")
    keep(report())
    keep(report(hours=[], routes=[], missing_in_queue=[], error=None, verdict=Verdict.UNKNOWN))
    ApiToken.objects.create(name="grafana", digest="0" * 64, prefix="tg_01234", revoked_at=timezone.now())
    hour = {"since": DAY, "until": DAY + timedelta(hours=1), "report": "overview", "served": "queue"}
    for difference, differing in ((0.0, []), (0.1, [["/a", 10, 0, 9, 0]])):
        ReadComparison.objects.create(
            **hour, queue_requests=10, collector_requests=9, difference=difference, differing=differing
        )


def fill_alerts() -> None:
    """A rule that fires, one that does not, an alert, and a message of each state."""
    AlertRule.objects.all().delete()  # the shipped ones, with English names
    channel = AlertChannel.objects.create(name="一", kind="email", target="ann@example.org")
    rule, _ = (
        AlertRule.objects.create(name=name, measure="backlog", bound=10, clears_at=8) for name in "甲乙"
    )
    rule.channels.add(channel)
    now = timezone.now()
    AlertState.objects.create(rule=rule, phase="firing", value=20)
    alert = Alert.objects.create(
        rule=rule,
        severity="warning",
        bound=10,
        began_at=now - timedelta(hours=2),
        worst_value=30,
        last_value=20,
    )
    for state in AlertDelivery.State.values:
        AlertDelivery.objects.create(
            alert=alert, channel=channel, kind="fired", payload={}, state=state, give_up_at=now
        )


@pytest.fixture(scope="module")
def english() -> re.Pattern[str]:
    """The texts of the catalogue that read otherwise in Chinese, as they are and with a capital."""
    patterns = []
    for message in catalogue.messages(catalogue.read()):
        for text in texts(message.id):
            words = PLACEHOLDER.sub(r"\\S+", re.escape(" ".join(text.replace("%%", "%").split())))
            if re.search("[a-z]{3}", PLACEHOLDER.sub("", words)) and text not in texts(message.string):
                patterns += [words, words[0].upper() + words[1:]]
    return re.compile("|".join(patterns))


def addresses() -> Iterator[str]:
    """Each page there is; each list also while it is searched, and its oldest row."""
    for place in admin_urls.pages():
        yield from admin_urls.addresses(place)
    index, queue = reverse("admin:index"), url(QueuedBatch, "purging")
    yield from (f"{index}?last=7d", f"{index}?start=x&end=y", f"{queue}?kind=failed&entered=hour")
    yield f"{reverse('admin:stats_route')}?route=/api/items/%7Bid%7D"
    for model in PAGES:
        yield f"{url(model)}?q=2025-11-23+12"
        yield url(model, "change", model._default_manager.order_by("pk").values_list("pk", flat=True)[0])


def said(client: Client, address: str) -> list[str]:
    answer = client.get(address, follow=True)
    assert answer.status_code in (200, 400, 405), address  # 405: what is no page, but an action
    return visible(answer.content.decode())


def test_no_page_holds_english_of_ours(chinese, rows, english):
    shown = {text: address for address in addresses() for text in said(chinese, address)}  # most on each page
    found = {text: shown[text] for text in shown.keys() - DATA if english.fullmatch(text)}
    assert found == {}


def test_no_empty_list_holds_english_of_ours(chinese, english):
    for model in PAGES:
        for text in said(chinese, url(model)):
            assert not english.fullmatch(text), (text, model)


def test_the_switch_is_remembered(store, admin_client):
    index = reverse("admin:index")
    answer = admin_client.post(reverse("set_language"), {"language": "zh-hans", "next": index}, follow=True)
    assert answer.redirect_chain == [(index, 302)]
    assert '<html lang="zh-hans"' in answer.content.decode()
    cookie = admin_client.cookies[settings.LANGUAGE_COOKIE_NAME]
    assert (cookie.value, cookie["max-age"], cookie["httponly"]) == ("zh-hans", 31_536_000, True)
    admin_client.post(reverse("set_language"), {"language": "en", "next": index})
    assert '<html lang="en"' in admin_client.get(index).content.decode()


@pytest.mark.parametrize("asked", ["de", "", "../../etc", "zh-hans\x00"])
def test_a_language_that_there_is_not_changes_nothing(store, admin_client, asked):
    answer = admin_client.post(reverse("set_language"), {"language": asked, "next": "https://example.org/"})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert '<html lang="en"' in admin_client.get(reverse("admin:index")).content.decode()


def test_an_answer_of_the_api_is_that_of_any_language(chinese, store, admin_client):
    chinese.get(reverse("admin:index"))
    for address in ("/api/test/a", "/stats/api/overview?last=24h", "/readyz"):
        answer = chinese.get(address, headers={"accept-language": "zh-CN"})
        assert "Accept-Language" not in answer.headers.get("Vary", ""), address
        assert not answer.has_header("Content-Language"), address
        assert re.search("[一-鿿]", answer.content.decode()) is None, address


def test_what_is_kept_of_a_deed_is_english(chinese):
    chinese.post(url(ModeChange, "add"), {"mode": "dual", "sample_rate": "0.01", "note": ""})
    kept = LogEntry.objects.get()
    assert re.fullmatch(r"dual from 20\d\d-.*", kept.object_repr)
    with override("zh-hans"):
        assert str(ModeChange.objects.get(pk=kept.object_id)).startswith("dual，自")


def test_a_refusal_is_in_the_language_and_names_the_field(chinese, rows):
    wrong = {
        "percent": "10",
        "queue_readers": "ann",
        "legacy_readers": "",
        "compared_percent": "0",
        "note": "",
    }
    assert any("既不是 user:NAME，也不是 token:NAME" in text for text in _posted(chinese, ReadChange, wrong))
    assert "没有包含“/nowhere”的路由。" in said(chinese, "/admin/?search=/nowhere")
    assert any("只能与某个小时一起搜索" in text for text in said(chinese, "/admin/stats/event/?q=path:/a"))


def _posted(client: Client, model: type, form: dict[str, str]) -> list[str]:
    return visible(client.post(url(model, "add"), form).content.decode())
