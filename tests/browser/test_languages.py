"""The admin in Chinese, in a real browser, and back in English."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from tests.browser.conftest import Visit, photograph

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]


TRAFFIC = "/admin/?start=2025-11-23T00%3A00&end=2025-11-30T00%3A00"  # of the rows


def choose(visit: Visit, language: str) -> None:
    visit.page.get_by_text("unfold_more").click()
    visit.page.get_by_role("button", name=language).click()
    visit.page.wait_for_load_state("load")


def test_pages_in_chinese_and_back_in_english(filled, visit, tmp_path):
    page = visit.page
    visit.go(TRAFFIC)
    choose(visit, "简体中文")
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    assert page.url.endswith(TRAFFIC)
    expect(page.get_by_role("switch", name="与上一周期对比")).to_be_visible()
    expect(page.get_by_role("columnheader", name="错误数")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("实时")
    photograph(visit, tmp_path, "dashboard")

    visit.go(reverse("admin:stats_event_changelist"))
    expect(page.get_by_role("columnheader", name="时间 (UTC)")).to_be_visible()
    photograph(visit, tmp_path, "events")
    page.locator("#result_list tbody th a").first.click()
    expect(page.get_by_text("用户代理", exact=True)).to_be_visible()
    photograph(visit, tmp_path, "event")

    choose(visit, "English")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_text("User agent", exact=True)).to_be_visible()


def test_a_browser_that_asks_for_chinese_logs_in_in_it(empty, live_server, browser):
    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(f"{live_server.url}/admin/")
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    page.get_by_label("用户名").fill("admin")
    page.get_by_label("密码").fill("password")
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("heading", name="这段时间内没有计数")).to_be_visible()
    context.close()
