"""No other site's page can do anything in a user's name."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.integration.admin_urls import KEYS, patterns, places

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

# They change nothing, or are there to be counted whatever is sent to them.
EXEMPT = ("api/test", "^api/test", "stats/api", "^stats/api")


@pytest.fixture
def strict(store: None, admin_user: User) -> Client:
    """Logged in, and asked for a token as a browser is."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    return client


def test_only_what_changes_nothing_is_exempt() -> None:
    exempt = {written for written, one in patterns() if getattr(one.callback, "csrf_exempt", False)}
    assert exempt
    assert {written for written in exempt if not written.startswith(EXEMPT)} == set()


def test_every_action_of_the_admin_refuses_a_post_without_a_token(strict: Client) -> None:
    asked = [place for place in places() if not set(place.arguments) - set(KEYS)]
    answers = {place.name: strict.post(place.url(), {"format": "csv", "verb": "discard"}) for place in asked}
    assert {name: answer.status_code for name, answer in answers.items() if answer.status_code != 403} == {}
    assert len(answers) > 60


@pytest.mark.parametrize("path", ["/admin/", "/admin/login/", "/admin/stats/event/", "/stats/api/docs"])
@pytest.mark.parametrize("key", [r'"aaaaaaaa\000"', "AAAAAAAAAAAA", "ä" * 20, "x" * 5000])
def test_a_cookie_that_no_session_has_is_nobody_s(store: None, path: str, key: str) -> None:
    """Quoted, a cookie may hold a NUL, with which PostgreSQL refuses even to compare."""
    answer = Client(headers={"Cookie": f"sessionid={key}"}).get(path)
    assert answer.status_code in (200, 302)
    assert "X-Frame-Options" in answer.headers
