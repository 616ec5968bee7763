"""What people write themselves to record requests, for comparison."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]
FLUSH_SECONDS = 0.4  # as Tallygate's linger


def facts(request: HttpRequest, response: HttpResponse, started: float) -> dict[str, Any]:
    """What one would like to know of a request."""
    return {
        "path": request.path,
        "method": request.method,
        "status": response.status_code,
        "milliseconds": (time.perf_counter() - started) * 1000,
        "address": request.META.get("HTTP_X_REAL_IP", ""),
        "user_agent": request.META.get("HTTP_USER_AGENT", ""),
    }


def no_op(get_response: Handler) -> Handler:
    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request)

    return middleware


def json_line(get_response: Handler) -> Handler:
    path = Path(settings.VAR_DIR) / f"requests-{os.getpid()}.jsonl"
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = get_response(request)
        line = json.dumps({"at": time.time(), **facts(request, response, started)})
        os.write(file, line.encode() + b"\n")
        return response

    return middleware


def one_task(get_response: Handler) -> Handler:
    from django_q.tasks import async_task

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        response = get_response(request)
        async_task("benchmarks.bare.tasks.store", facts(request, response, started))
        return response

    return middleware


class BufferMiddleware:
    """Rows wait in a list; a thread writes them, as many as wait."""

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response
        self._lock = threading.Lock()
        self._rows: list[Any] = []
        self._thread: threading.Thread | None = None

    def __call__(self, request: HttpRequest) -> HttpResponse:
        from benchmarks.capture.models import Hit

        started = time.perf_counter()
        response = self.get_response(request)
        row = Hit(at=datetime.now(UTC), **facts(request, response, started))
        with self._lock:
            self._rows.append(row)
            if self._thread is None:  # not before the first request: gunicorn forks
                self._thread = threading.Thread(target=self._flush_for_ever, daemon=True)
                self._thread.start()
        return response

    def _flush_for_ever(self) -> None:
        from benchmarks.capture.models import Hit

        while True:
            time.sleep(FLUSH_SECONDS)
            with self._lock:
                rows, self._rows = self._rows, []
            Hit.objects.bulk_create(rows)
