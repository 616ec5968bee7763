"""What a browser is told about our pages: where scripts and styles may come from, and who may frame them.

Only HTML gets these headers: the requests that are counted pay for one look at their content type. They hold
no nonce, since no page has an inline script or style sheet, so each is the same text every time.
"""

from __future__ import annotations

from asyncio import iscoroutinefunction
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, reverse

POLICY = {
    "default-src": "'self'",
    "script-src": "'self'",
    "style-src": "'self'",
    # unfold's Alpine and the API's document set `style` attributes; a sheet of another's is still refused.
    "style-src-attr": "'unsafe-inline'",
    "img-src": "'self' data:",  # arrows and marks in style sheets
    "object-src": "'none'",
    "frame-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
# Alpine, which unfold's pages are made of, makes functions of its attributes. No inline script runs for that.
ADMIN_POLICY = {**POLICY, "script-src": "'self' 'unsafe-eval'"}
UNUSED = ("camera", "geolocation", "microphone", "payment", "usb", "browsing-topics")


def _written(policy: dict[str, str]) -> str:
    return "; ".join(f"{directive} {sources}" for directive, sources in policy.items())


HEADERS = {
    "Content-Security-Policy": _written(POLICY),
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in UNUSED),
    "Cross-Origin-Resource-Policy": "same-origin",
}
ADMIN_HEADERS = {**HEADERS, "Content-Security-Policy": _written(ADMIN_POLICY)}


class PageHeadersMiddleware:
    """Sync and async capable. What a view has set itself stays."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.is_async:
            return self._call_async(request)
        return _with_headers(request, self.get_response(request))

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        return _with_headers(request, await self.get_response(request))


def _with_headers(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return response
    if settings.DEBUG and response.status_code >= 400:
        return response  # Django's own pages of errors, which are styled and scripted inline
    for name, value in (ADMIN_HEADERS if _is_admin(request) else HEADERS).items():
        response.headers.setdefault(name, value)
    return response


def _is_admin(request: HttpRequest) -> bool:
    try:
        return request.path.startswith(reverse("admin:index"))
    except NoReverseMatch:
        return False
