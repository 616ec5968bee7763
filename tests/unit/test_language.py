"""The admin speaks its viewer's language; no other answer depends on one."""

from __future__ import annotations

import asyncio

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import translation
from django.utils.translation import gettext

from gateway.language import AdminLanguageMiddleware

CHINESE = {"HTTP_ACCEPT_LANGUAGE": "zh-CN,zh;q=0.9,en;q=0.8"}


def answer(request: HttpRequest) -> HttpResponse:
    return HttpResponse(gettext("Traffic"))


async def answer_async(request: HttpRequest) -> HttpResponse:
    return answer(request)


def get(path: str, **headers: str) -> HttpResponse:
    response = AdminLanguageMiddleware(answer)(RequestFactory().get(path, **headers))
    assert isinstance(response, HttpResponse)
    return response


def test_a_browser_that_asks_for_chinese_gets_it():
    response = get("/admin/", **CHINESE)
    assert response.content.decode() == "流量"
    assert response["Content-Language"] == "zh-hans"
    assert response["Vary"] == "Accept-Language, Cookie"


@pytest.mark.parametrize("asked", ["en-GB", "fr", "zh-TW;q=0.1,en", "", "*", "x" * 5_000, "\udcff"])
def test_any_other_gets_english(asked):
    assert get("/admin/", HTTP_ACCEPT_LANGUAGE=asked).content == b"Traffic"


def test_what_was_chosen_comes_before_what_is_asked_for():
    request = RequestFactory().get("/admin/", **CHINESE)
    request.COOKIES[settings.LANGUAGE_COOKIE_NAME] = "en"
    assert AdminLanguageMiddleware(answer)(request).content == b"Traffic"


@pytest.mark.parametrize(
    "path", ["/api/test/a", "/stats/api/overview", "/metrics", "/healthz", "/administrator"]
)
def test_an_answer_elsewhere_is_the_same_in_any_language(path):
    response = get(path, **CHINESE)
    assert response.content == b"Traffic"
    assert not response.has_header("Vary")
    assert not response.has_header("Content-Language")


def test_the_next_request_of_a_thread_starts_anew():
    get("/admin/", **CHINESE)
    assert translation.get_language() == "en"
    assert get("/api/test/a").content == b"Traffic"


def test_the_language_is_let_go_of_when_a_page_fails():
    def fail(request: HttpRequest) -> HttpResponse:
        raise OSError

    with pytest.raises(OSError):
        AdminLanguageMiddleware(fail)(RequestFactory().get("/admin/", **CHINESE))
    assert translation.get_language() == "en"


def test_an_asynchronous_page_speaks_it_too():
    async def both() -> tuple[HttpResponse, HttpResponse]:
        middleware = AdminLanguageMiddleware(answer_async)
        request = RequestFactory().get
        return await asyncio.gather(  # type: ignore[return-value]
            middleware(request("/admin/", **CHINESE)), middleware(request("/api/test", **CHINESE))
        )

    admin, other = asyncio.run(both())
    assert (admin.content.decode(), other.content.decode()) == ("流量", "Traffic")
