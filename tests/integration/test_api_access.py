"""Who may read the API: bearers of tokens and staff users, each only as far as they are known."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client

from gateway import sender
from stats import tokens
from stats.models import ApiToken

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "legacy"])

OVERVIEW = "/stats/api/overview"
ENDPOINTS = [
    "/stats/api/overview",
    "/stats/api/timeseries",
    "/stats/api/routes",
    "/stats/api/route?route=/a",
    "/stats/api/top-values/client",
    "/stats/api/snapshot",
    "/stats/api/events",
    "/stats/api/dead-letters",
    "/stats/api/dead-letters/1",
    "/stats/api/pipeline",
]


@pytest.fixture
def token(store: None) -> ApiToken:
    return ApiToken(name="a dashboard")


@pytest.fixture
def secret(token: ApiToken) -> str:
    return tokens.issue(token)


def ask(secret: str, path: str = OVERVIEW, client: Client | None = None) -> Any:
    return (client or Client()).get(path, headers={"Authorization": f"Bearer {secret}"})


def user(name: str, *permissions: str, **fields: bool) -> Client:
    one = User.objects.create_user(name, password="secret", **fields)
    one.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(one)
    return client


# --- tokens --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ENDPOINTS)
def test_without_a_token_or_a_session_nothing_is_told(store, path):
    answer = Client().get(path)

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["WWW-Authenticate"].startswith("Bearer")
    assert answer.json()["status"] == 401


@pytest.mark.parametrize("path", ENDPOINTS)
def test_the_bearer_of_a_token_reads_everything(secret, path):
    assert ask(secret, path).status_code in (200, 404)


def test_a_stranger_costs_no_query(store, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert Client().get(OVERVIEW).status_code == 401
        assert ask("tg_short").status_code == 401


def test_only_the_digest_of_a_token_is_stored(token, secret):
    stored = ApiToken.objects.values().get()
    assert secret.startswith("tg_")
    assert len(secret) == len("tg_") + 43  # 256 bits
    assert secret not in str(stored)
    assert stored["digest"] == tokens.digest_of(secret)


@pytest.mark.parametrize("spoil", [lambda s: s[:-1], lambda s: s + "A", lambda s: s[:-1] + "\x00", str.upper])
def test_almost_a_token_is_none(secret, spoil):
    assert ask(spoil(secret)).status_code == 401


def test_a_revoked_token_is_refused_from_the_next_request_on(token, secret):
    assert ask(secret).status_code == 200
    assert tokens.revoke(ApiToken.objects.filter(pk=token.pk)) == 1
    assert ask(secret).status_code == 401
    assert tokens.revoke(ApiToken.objects.filter(pk=token.pk)) == 0


def test_a_wrong_token_is_not_made_good_by_a_session(admin_client, secret):
    assert ask(secret + "A", client=admin_client).status_code == 401


def test_another_scheme_leaves_the_session_its_word(admin_client, store):
    answer = admin_client.get(OVERVIEW, headers={"Authorization": "Basic dTpw"})
    assert answer.status_code == 200


def test_a_token_in_the_url_is_no_token(secret):
    assert Client().get(f"{OVERVIEW}?token={secret}").status_code == 401


def test_no_token_reaches_a_log(secret, caplog, settings):
    settings.DEBUG = True
    with caplog.at_level(logging.DEBUG):
        ask(secret)
        ask(secret + "A")
        Client().get(OVERVIEW, headers={"Authorization": f"Token {secret}"})
    assert secret[8:] not in caplog.text


# --- last use ------------------------------------------------------------------------------------


def test_use_is_noted_once_a_minute(token, secret):
    ask(secret)
    token.refresh_from_db()
    first = token.last_used_at
    assert first is not None
    ask(secret)
    token.refresh_from_db()
    assert token.last_used_at == first

    with connection.cursor() as cursor:
        cursor.execute("UPDATE stats_apitoken SET last_used_at = now() - interval '61 seconds'")
    ask(secret)
    token.refresh_from_db()
    assert token.last_used_at > first


def test_use_that_can_not_be_noted_fails_no_request(token, secret, caplog):
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE 'the disk is full'; END $$"
        )
        cursor.execute("CREATE TRIGGER refuse BEFORE UPDATE ON stats_apitoken EXECUTE FUNCTION refuse()")
    try:
        assert ask(secret).status_code == 200
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER refuse ON stats_apitoken")
            cursor.execute("DROP FUNCTION refuse")
    assert "the disk is full" in caplog.text
    token.refresh_from_db()
    assert token.last_used_at is None


# --- sessions ------------------------------------------------------------------------------------


def test_a_session_of_a_user_who_is_not_staff_is_forbidden(store):
    answer = user("visitor").get(OVERVIEW)
    assert answer.status_code == 403
    assert answer.json()["title"] == "Forbidden"


def test_a_user_who_was_locked_out_is_nobody(store):
    client = user("gone", is_staff=True)
    User.objects.update(is_active=False)
    assert client.get(OVERVIEW).status_code == 401


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("/stats/api/events", "view_event"),
        ("/stats/api/dead-letters", "view_deadletter"),
        ("/stats/api/pipeline", "view_consumerheartbeat"),
    ],
)
def test_staff_read_figures_and_rows_only_as_in_the_admin(store, path, permission):
    client = user("looker", is_staff=True)
    assert client.get(OVERVIEW).status_code == 200
    assert client.get(path).status_code == 403

    assert user("reader", permission, is_staff=True).get(path).status_code == 200


def test_a_cookie_that_no_session_has_is_nobody_s(store, caplog):
    """Quoted, a cookie may hold a NUL, which the database refuses."""
    answer = Client(headers={"Cookie": r'sessionid="aaaaaaaa\000"'}).get(OVERVIEW)
    assert answer.status_code == 401
    assert caplog.text == ""


# --- what holds for all --------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "head", "trace"])
def test_nothing_but_get_is_answered(admin_client, store, method):
    answer = getattr(Client(enforce_csrf_checks=True), method)(OVERVIEW)
    assert (answer.status_code, answer["Allow"]) == (405, "GET")
    assert getattr(admin_client, method)(OVERVIEW).status_code == 405


def test_answers_are_kept_in_no_cache(secret):
    for answer in (ask(secret), Client().get(OVERVIEW), ask(secret, "/stats/api/nowhere")):
        assert answer["Cache-Control"] == "private, no-store"
        assert "Authorization" in answer["Vary"]


def test_reading_the_api_is_no_traffic(secret, monkeypatch, settings):
    settings.TRAFFIC_ENABLED = True
    submitted = []
    monkeypatch.setattr(sender.current, "submit", lambda event, **more: submitted.append(event))
    ask(secret)
    Client().get("/metrics")
    assert submitted == []
