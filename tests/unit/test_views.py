"""The pages that need no login: health, readiness, the test endpoint, and the way in."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections
from django.test import Client, RequestFactory

from gateway import readiness
from gateway.views import api_test, healthz, readyz

BOTH = ["default", "legacy"]


@pytest.fixture(autouse=True)
def _uncounted(settings: Any) -> None:
    settings.TRAFFIC_ENABLED = False


def fine() -> None:
    """A readiness check that is content."""


def empty_handed() -> str:
    return "no paper in the printer"


def broken() -> None:
    raise RuntimeError("the printer\nis on fire")


def test_health_is_answered_without_a_database(client: Client) -> None:
    # No mark: pytest-django refuses every connection here.
    answer = client.get("/healthz")

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_ready_says_so(client: Client, settings: Any) -> None:
    settings.READINESS_CHECKS = [f"{__name__}.fine"]

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "checks": {f"{__name__}.fine": "ok"}}


def test_not_ready_says_what_is_missing_also_when_a_check_raises(client: Client, settings: Any) -> None:
    names = ("fine", "empty_handed", "broken", "no_such_check")
    settings.READINESS_CHECKS = [f"{__name__}.{name}" for name in names]

    answer = client.get("/readyz")

    reasons = [answer.json()["checks"][path] for path in settings.READINESS_CHECKS]
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert reasons[:3] == ["ok", "no paper in the printer", "RuntimeError: the printer is on fire"]
    assert "no_such_check" in reasons[3]


def test_slow_checks_do_not_make_the_probe_wait_for_the_others(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.views.READY_SECONDS", -1.0)
    settings.READINESS_CHECKS = [f"{__name__}.fine"]

    assert "not asked" in client.get("/readyz").json()["checks"][f"{__name__}.fine"]


@pytest.mark.django_db(transaction=True, databases=BOTH)
def test_a_migrated_database_is_ready() -> None:
    readiness._migrated.clear()

    assert (readiness.database(), readiness.migrations()) == (None, None)


@pytest.mark.django_db(transaction=True, databases=BOTH)
def test_a_missing_migration_is_named_until_it_is_applied() -> None:
    readiness._migrated.clear()
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "DELETE FROM django_migrations WHERE app = 'sessions' AND name = '0001_initial' RETURNING applied"
        )
        applied = cursor.fetchone()[0]
    try:
        reason = readiness.migrations()
    finally:
        with connections["default"].cursor() as cursor:
            cursor.execute(
                "INSERT INTO django_migrations (app, name, applied) VALUES ('sessions', '0001_initial', %s)",
                [applied],
            )

    assert reason == "migrations not applied (1): sessions.0001_initial"
    assert readiness.migrations() is None


@pytest.mark.django_db(transaction=True, databases=BOTH)
def test_a_database_that_is_away_is_said_to_be_away(monkeypatch: pytest.MonkeyPatch) -> None:
    connections["default"].close()
    monkeypatch.setitem(connections["default"].settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", "1")

    reason = readiness.database()
    connections["default"].close()

    assert reason is not None
    assert reason.startswith("cannot reach database 'default': ")
    assert "\n" not in reason


def test_the_root_leads_to_the_admin(client: Client) -> None:
    answer = client.get("/")

    assert (answer.status_code, answer["Location"]) == (302, "/admin/")


def test_a_browser_gets_no_icon_and_no_error(client: Client) -> None:
    assert client.get("/favicon.ico").status_code == 204


@pytest.mark.parametrize(
    "path", ["/api/test", "/api/test/", "/api/test//x", "/api/test/a/b.c", "/api/test/%0A"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
def test_any_method_on_any_path_is_answered(path: str, method: str) -> None:
    # A client that enforces what a browser's form would need.
    answer = Client(enforce_csrf_checks=True).generic(method, path)

    assert answer.status_code == 200
    assert answer.json()["method"] == method
    assert answer.json()["path"].startswith("/api/test")


def test_what_only_begins_like_the_endpoint_is_not_it(client: Client) -> None:
    assert client.get("/api/tests").status_code == 404


def test_the_endpoint_can_be_off(client: Client, settings: Any) -> None:
    settings.TEST_ENDPOINT = False

    assert client.get("/api/test").status_code == 404


@pytest.mark.parametrize("size", [0, 1, 50, 5_000, 1_000_000])
def test_status_and_size_are_had_as_asked(client: Client, size: int) -> None:
    answer = client.get("/api/test/x", {"status": "503", "size": str(size), "delay": "0.01"})

    assert (answer.status_code, len(answer.content)) == (503, size)
    assert size == 0 or answer.json()


def test_a_header_wins_over_the_paths_own_query_string(client: Client) -> None:
    headers = {"X-Test-Status": "404", "X-Test-Size": "7", "X-Test-Delay": "0"}

    answer = client.get("/api/test/x?status=999&size=big&delay=never", headers=headers)

    assert (answer.status_code, len(answer.content)) == (404, 7)


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_has_none(client: Client, status: int) -> None:
    answer = client.get("/api/test", {"status": status, "size": "100"})

    assert (answer.status_code, answer.content) == (status, b"")


def test_head_tells_the_length_but_sends_nothing() -> None:
    answer = api_test(RequestFactory().head("/api/test", headers={"X-Test-Size": "100"}))

    assert (answer["Content-Length"], answer.content) == ("100", b"")


def test_head_of_a_bad_wish_tells_the_length_but_sends_nothing() -> None:
    wish = {"X-Test-Status": "garbage"}
    answer = api_test(RequestFactory().head("/api/test", headers=wish))
    whole = api_test(RequestFactory().get("/api/test", headers=wish))

    assert (answer.status_code, answer.content) == (400, b"")
    assert answer["Content-Length"] == str(len(whole.content))


@pytest.mark.parametrize("view", [healthz, readyz])
def test_head_of_a_probe_sends_nothing(settings: Any, view: Any) -> None:
    settings.READINESS_CHECKS = [f"{__name__}.empty_handed"]

    assert view(RequestFactory().head("/")).content == b""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("status", value)
            for value in ("100", "199", "99", "600", "abc", "", "-1", "2e2", "²00", "9" * 5000)
        ),
        *(("size", value) for value in ("-1", "1000001", "1.5", "", "none")),
        *(("delay", value) for value in ("-0.1", "1.01", "nan", "inf", "", "soon")),
    ],
)
def test_a_bad_wish_names_its_field(client: Client, field: str, value: str) -> None:
    answer = client.get("/api/test", {field: value})

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"{field}: ")
    assert len(answer.json()["error"]) < 200
