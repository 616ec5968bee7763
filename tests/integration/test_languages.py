"""Every page of the admin in Chinese holds no English of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from gateway import modes
from gateway.models import ModeChange
from stats import read_from
from stats.consumer import drain
from stats.models import (
    ApiToken,
    ArchivedFile,
    PathStatsDaily,
    ReadChange,
    ReadComparison,
    TrafficDay,
    VerificationReport,
)
from stats.verification import Verdict
from stats.verification import store as keep
from tests.integration import admin_rows
from tests.integration.admin_pages import LISTED, url
from tests.integration.test_cutover_pages import DAY, report
from tests.integration.visible import visible
from tests.messages import catalogue
from tests.messages.catalogue import texts

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

PAGES = [
    *LISTED,
    *(TrafficDay, ArchivedFile, PathStatsDaily, ApiToken),
    *(ModeChange, ReadChange, ReadComparison, VerificationReport),
]
ADDED = (ModeChange, ReadChange, ApiToken)
DATA = {"fallback", "fine"}  # a code, and the result of a task
PLACEHOLDER = re.compile(r"%\\\(\w+\\\)s|\\\{\w+\\\}")


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
    """Each list with and without rows, a row of each, and the other pages."""
    yield from (
        reverse("admin:index"),
        f"{reverse('admin:index')}?last=7d",
        f"{reverse('admin:index')}?start=x&end=y",
    )
    yield f"{reverse('admin:stats_route')}?route=/api/items/%7Bid%7D"
    yield reverse("admin:stats_readiness")
    yield from (url(model, "add") for model in ADDED)
    for model in PAGES:
        yield url(model) if model.__name__ != "PathStatsHourly" else f"{url(model)}?p=1"
        yield f"{url(model)}?q=2025-11-23+12"
        keys = list(model.objects.order_by("pk").values_list("pk", flat=True))
        yield from (url(model, "change", one) for one in (keys[0], keys[-1]))


def said(client: Client, address: str) -> list[str]:
    answer = client.get(address, follow=True)
    assert answer.status_code == 200, address
    return visible(answer.content.decode())


def test_no_page_holds_english_of_ours(chinese, rows, english):
    found = {
        (text, address.partition("?")[0])
        for address in addresses()
        for text in said(chinese, address)
        if text not in DATA and english.fullmatch(text)
    }
    assert sorted(found) == []


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
