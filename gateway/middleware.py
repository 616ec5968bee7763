"""TrafficMiddleware: one event for each request, made beside the request and never in its way.

It stands first, so that it times everything below it and sees the response as the client does. It does
no database work, touches no transaction, and whatever goes wrong in here is logged and counted, never
raised into the request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from gateway import capture, metrics, sender, streams
from gateway.conf import conf

logger = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499  # nginx's name for a client that left before its answer
SERVER_ERROR = 500


class TrafficMiddleware:
    """Counts requests. Sync and async capable; put it first in `MIDDLEWARE`."""

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
        if not is_counted(request):
            return self.get_response(request)
        timing = capture.Timing.begin()
        try:
            response = self.get_response(request)
        except BaseException:
            record(request, timing, SERVER_ERROR, 0)
            raise
        return observe(request, timing, response)

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        if not is_counted(request):
            return await self.get_response(request)
        timing = capture.Timing.begin()
        try:
            response = await self.get_response(request)
        except asyncio.CancelledError:
            record(request, timing, CLIENT_CLOSED_REQUEST, 0)
            raise
        except BaseException:
            record(request, timing, SERVER_ERROR, 0)
            raise
        return observe(request, timing, response)


def is_counted(request: HttpRequest) -> bool:
    """Whether this request is traffic. A broken setting must not break requests: then it is."""
    try:
        return conf.enabled and not conf.exclusions.covers(request.path)
    except Exception:
        logger.exception("TRAFFIC_EXCLUDE could not be read; the request is counted")
        return True


def observe(request: HttpRequest, timing: capture.Timing, response: HttpResponseBase) -> HttpResponseBase:
    """Records the response now, or, if it streams, at its close."""
    try:
        if response.streaming:
            done = partial(record, request, timing, response.status_code)
            streams.on_close(response, done, sendfile="wsgi.file_wrapper" in request.META)
            return response
        size = len(response.content)  # type: ignore[attr-defined]
    except Exception:
        logger.exception("Response could not be measured; it is counted with 0 bytes")
        size = 0
    record(request, timing, response.status_code, size)
    return response


def record(request: HttpRequest, timing: capture.Timing, status: int, response_bytes: int) -> None:
    """Hands what there is to know of the request to the sender. Never raises."""
    try:
        size = 0 if request.method == "HEAD" else response_bytes  # what a server sends of it
        facts, from_edge = capture.take_down(request, timing, status, size)
        sender.submit(facts, from_edge=from_edge)
    except Exception:
        metrics.capture_failed.inc()
        logger.exception("Request could not be counted")
