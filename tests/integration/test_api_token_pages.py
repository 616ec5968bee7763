"""The admin's pages of tokens: made and shown once, revoked, and never shown again."""

from __future__ import annotations

import re

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from stats import tokens
from stats.models import ApiToken
from tests.integration.admin_pages import staff

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

LIST = "/admin/stats/apitoken/"
ADD = f"{LIST}add/"


@pytest.fixture
def admin(store, admin_client):
    return admin_client


def make(admin: Client, name: str = "a dashboard") -> tuple[str, ApiToken]:
    """The secret as the page showed it, and the token."""
    page = admin.post(ADD, {"name": name})
    assert page.status_code == 200
    (secret,) = re.findall(r'id="api-token">(\S+)</pre>', page.content.decode())
    return secret, ApiToken.objects.get(name=name)


def revoke_url(token: ApiToken) -> str:
    return reverse("admin:stats_apitoken_revoke", args=[token.pk])


def test_a_token_that_was_made_opens_the_api(admin):
    secret, token = make(admin)
    answer = Client().get("/stats/api/overview", headers={"Authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    assert token.created_by.username == "admin"


def test_a_token_is_shown_once(admin):
    page = admin.post(ADD, {"name": "once"})
    secret = re.findall(r'id="api-token">(\S+)</pre>', page.content.decode())[0]
    token = ApiToken.objects.get()

    assert "no-store" in page["Cache-Control"]
    assert not any(secret in cookie.value for cookie in page.cookies.values())
    for url in (LIST, f"{LIST}{token.pk}/change/", f"{LIST}{token.pk}/history/"):
        shown = admin.get(url)
        assert shown.status_code == 200
        assert secret not in shown.content.decode()
        assert token.prefix in shown.content.decode() or "history" in url
    assert not LogEntry.objects.filter(change_message__contains=secret).exists()


def test_a_token_needs_a_name(admin):
    assert b"required" in admin.post(ADD, {"name": "  "}).content
    assert not ApiToken.objects.exists()


def test_what_is_written_into_a_form_does_not_change_what_is_made(admin):
    admin.post(ADD, {"name": "x", "digest": "d" * 64, "prefix": "mine", "created_by": "7"})
    token = ApiToken.objects.get()
    assert token.digest != "d" * 64
    assert token.prefix.startswith("tg_")


def test_a_token_is_revoked_by_its_button(admin):
    secret, token = make(admin)
    assert b"Revoke" in admin.get(f"{LIST}{token.pk}/change/").content

    shown = admin.post(revoke_url(token), follow=True)

    assert b"1 token revoked" in shown.content
    assert tokens.recognise(secret) is None
    assert revoke_url(token).encode() not in admin.get(f"{LIST}{token.pk}/change/").content
    assert LogEntry.objects.filter(object_id=str(token.pk), change_message="Revoked.").count() == 1


def test_tokens_are_revoked_from_the_list(admin):
    found = [make(admin, name) for name in ("one", "two", "three")]
    admin.post(
        LIST,
        {"action": "revoke_selected", "_selected_action": [token.pk for _, token in found[:2]], "index": 0},
        follow=True,
    )
    assert [tokens.recognise(secret) is None for secret, _ in found] == [True, True, False]


def test_a_link_can_not_revoke(admin):
    secret, token = make(admin)
    assert admin.get(revoke_url(token)).status_code == 405
    assert tokens.recognise(secret)


def test_another_page_can_not_revoke(admin, admin_user):
    secret, token = make(admin)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(admin_user)
    assert strict.post(revoke_url(token)).status_code == 403
    assert tokens.recognise(secret)


def test_who_may_look_may_neither_make_nor_revoke(admin):
    secret, token = make(admin)
    looker = staff("view_apitoken")
    page = looker.get(f"{LIST}{token.pk}/change/")
    assert page.status_code == 200
    assert revoke_url(token).encode() not in page.content
    assert looker.get(ADD).status_code == 403
    assert looker.post(ADD, {"name": "mine"}).status_code == 403
    assert looker.post(revoke_url(token)).status_code == 403
    assert tokens.recognise(secret)
    assert ApiToken.objects.count() == 1


def test_a_token_can_be_neither_changed_nor_deleted(admin):
    _, token = make(admin)
    assert admin.post(f"{LIST}{token.pk}/change/", {"name": "other"}).status_code == 403
    assert admin.post(f"{LIST}{token.pk}/delete/", {"post": "yes"}).status_code == 403
    assert ApiToken.objects.get().name == "a dashboard"


def test_a_name_that_is_markup_stays_text(admin):
    _, token = make(admin, "<script>alert(1)</script>")
    for page in (admin.get(LIST), admin.get(f"{LIST}{token.pk}/change/")):
        assert b"<script>alert(1)" not in page.content


def test_the_list_is_in_the_sidebar_and_says_what_it_is_for(admin):
    page = admin.get(LIST).content.decode()
    assert f'href="{LIST}"' in page
    assert "No token has been made" in page
