from __future__ import annotations

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django_q.tasks import async_task

logger = logging.getLogger(__name__)


class BareMiddleware:
    """One task a request. A failure is logged, as a careful user would, and the request goes on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path.startswith("/api/"):
            try:
                async_task(
                    "benchmarks.bare.tasks.store", request.headers.get("X-Request-ID", ""), request.path
                )
            except Exception:
                logger.exception("Request could not be counted")
        return response
