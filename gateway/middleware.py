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
from time import perf_counter, time_ns
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
        try:
            exclusions, path = conf.exclusions, request.path
            is_passed_over = path.startswith(exclusions.roots) and exclusions.covers(path)
        except Exception:  # a broken setting must not break requests
            logger.exception("TRAFFIC_EXCLUDE could not be read; the request is counted")
            is_passed_over = False
        if is_passed_over:
            return self.get_response(request)
        if self.is_async:
            return self._call_async(request)
        arrival, started = time_ns(), perf_counter()
        try:
            response = self.get_response(request)
        except BaseException:
            record(request, arrival, started, SERVER_ERROR, 0)
            raise
        observe(request, arrival, started, response)
        return response

    async def _call_async(self, request: HttpRequest) -> HttpResponseBase:
        arrival, started = time_ns(), perf_counter()
        try:
            response = await self.get_response(request)
        except asyncio.CancelledError:
            record(request, arrival, started, CLIENT_CLOSED_REQUEST, 0)
            raise
        except BaseException:
            record(request, arrival, started, SERVER_ERROR, 0)
            raise
        observe(request, arrival, started, response)
        return response


def observe(request: HttpRequest, arrival: int, started: float, response: HttpResponseBase) -> None:
    """Records the response now, or, if it streams, at its close. Never raises."""
    try:
        if response.streaming:
            done = partial(record, request, arrival, started, response.status_code)
            streams.on_close(response, done, sendfile="wsgi.file_wrapper" in request.META)
            return
        size = len(response.content)  # type: ignore[attr-defined]
    except Exception:
        logger.exception("Response could not be measured; it is counted with 0 bytes")
        size = 0
    record(request, arrival, started, response.status_code, size)


def record(request: HttpRequest, arrival: int, started: float, status: int, response_bytes: int) -> None:
    """Hands what there is to know of the request to the sender. Never raises."""
    try:
        if request.method == "HEAD":
            response_bytes = 0  # what a server sends of it
        sender.current.submit(capture.take_down(request, arrival, started, status, response_bytes))
    except Exception:
        metrics.capture_failed.inc()
        logger.exception("Request could not be counted")
