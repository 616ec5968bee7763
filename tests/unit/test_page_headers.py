"""Pages say what a browser may load for them; what is no page says nothing and pays for one look."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, RequestFactory
from unfold.settings import CONFIG_DEFAULTS

from gateway.page_headers import ADMIN_POLICY, POLICY, PageHeadersMiddleware

COLOURS = Path(__file__).parents[2] / "gateway" / "static" / "gateway" / "colours.css"


def answered(path: str, response: HttpResponse) -> HttpResponse:
    middleware = PageHeadersMiddleware(lambda request: response)
    found = middleware(RequestFactory().get(path))
    assert isinstance(found, HttpResponse)
    return found


def policy(response: HttpResponse) -> dict[str, str]:
    parts = response["Content-Security-Policy"].split("; ")
    return dict(part.split(" ", 1) for part in parts)


def test_a_page_of_the_admin_may_make_functions_of_text_and_run_no_inline_script() -> None:
    found = policy(answered("/admin/stats/event/", HttpResponse("<html>")))
    assert found == ADMIN_POLICY
    assert found["script-src"] == "'self' 'unsafe-eval'"


def test_another_page_may_not_even_do_that() -> None:
    found = policy(answered("/stats/api/docs", HttpResponse("<html>")))
    assert found == POLICY
    assert found["script-src"] == found["style-src"] == found["default-src"] == "'self'"
    assert found["frame-ancestors"] == found["object-src"] == found["base-uri"] == "'none'"


@pytest.mark.parametrize("directives", [POLICY, ADMIN_POLICY])
def test_no_policy_names_another_host_or_lets_inline_scripts_run(directives: dict[str, str]) -> None:
    words = {word for sources in directives.values() for word in sources.split()}
    assert words <= {"'self'", "'none'", "data:", "'unsafe-eval'", "'unsafe-inline'"}
    assert [name for name, sources in directives.items() if "unsafe-inline" in sources] == ["style-src-attr"]


def test_what_is_no_page_gets_none_of_it() -> None:
    assert set(answered("/api/x", JsonResponse({})).headers) == {"Content-Type"}
    assert "Content-Security-Policy" not in answered("/x", HttpResponse(b"", content_type="text/csv"))


def test_what_a_view_has_set_itself_stays() -> None:
    own = HttpResponse("<html>", headers={"Content-Security-Policy": "default-src 'none'"})
    assert answered("/admin/", own)["Content-Security-Policy"] == "default-src 'none'"


def test_it_is_asynchronous_where_the_server_is() -> None:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse("<html>")

    response = asyncio.run(PageHeadersMiddleware(view)(RequestFactory().get("/admin/")))  # type: ignore[arg-type]
    assert policy(response) == ADMIN_POLICY


@pytest.mark.django_db(databases=["default", "legacy"])
def test_the_usual_headers_are_there_on_errors_too(settings: Any) -> None:
    settings.TRAFFIC_ENABLED = False  # nobody waits for a sender here
    for path in ("/admin/login/", "/nothing/here", "/stats/api/docs"):
        headers = Client().get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


@pytest.mark.django_db(databases=["default", "legacy"])
def test_no_page_holds_an_inline_style_sheet(admin_client: Client) -> None:
    for path in ("/admin/login/", "/admin/", "/admin/stats/event/", "/admin/auth/user/add/"):
        page = admin_client.get(path, follow=True).content.decode()
        assert "<style" not in page, path
        assert "gateway/colours.css" in page


def test_the_sheet_in_its_place_has_unfold_s_colours() -> None:
    written = dict(re.findall(r"(--color-[\w-]+): (.+);", COLOURS.read_text()))
    assert written == {
        f"--color-{name}-{weight}": value
        for name, weights in CONFIG_DEFAULTS["COLORS"].items()
        for weight, value in weights.items()
    }
