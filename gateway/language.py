"""The language of the admin's pages: what their viewer chose there, or else what the browser asks for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, reverse
from django.utils import translation
from django.utils.cache import patch_vary_headers


class AdminLanguageMiddleware:
    """Django's LocaleMiddleware for the admin alone: no other answer depends on a language, or says so.

    Elsewhere it costs a request one comparison, and no change of threads under ASGI.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if not request.path.startswith(_admin()):
            return self.get_response(request)
        if self.is_async:
            return self._call_async(request)
        # Not left in force: the thread's next request may be anything.
        with translation.override(_chosen(request), deactivate=True):
            return _told(self.get_response(request))

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        with translation.override(_chosen(request), deactivate=True):
            return _told(await self.get_response(request))


@cache
def _admin() -> str | tuple[str, ...]:
    """Where the admin begins; nothing begins so where there is none."""
    try:
        return reverse("admin:index")
    except NoReverseMatch:
        return ()


def _chosen(request: HttpRequest) -> str:
    request.LANGUAGE_CODE = translation.get_language_from_request(request)
    return request.LANGUAGE_CODE


def _told(response: HttpResponseBase) -> HttpResponseBase:
    patch_vary_headers(response, ("Accept-Language", "Cookie"))
    response.headers.setdefault("Content-Language", translation.get_language() or "")
    return response
