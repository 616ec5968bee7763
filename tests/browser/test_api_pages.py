"""The API's pages in a real browser: a token is made, its document is read, and no other host is asked."""

from __future__ import annotations

import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
]


def test_a_token_is_made_and_revoked(empty, visit):
    page = visit.page
    visit.go("/admin/stats/apitoken/")
    visit.go("/admin/stats/apitoken/add/")
    page.fill("input[name=name]", "Grafana")
    page.click("[name=_save]")
    secret = page.text_content("#api-token")
    assert secret.startswith("tg_")

    answer = page.request.get(
        f"{visit.address}/stats/api/overview", headers={"Authorization": f"Bearer {secret}"}
    )
    assert answer.status == 200

    page.click("text=All tokens")
    page.click("text=Grafana")
    page.wait_for_url("**/change/")
    page.click(".tg-actions button")
    page.wait_for_selector("text=1 token revoked")


def test_the_document_is_shown_without_anybody_elses_files(empty, visit):
    visit.go("/stats/api/docs")
    visit.page.wait_for_selector("text=The last 24 hours, at once")
    assert visit.page.locator(".opblock").count() == 10
