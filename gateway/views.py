"""`/healthz` and `/readyz` for whoever watches the server, `/api/test` for whoever tries it out."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.module_loading import import_string
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from gateway.conf import conf
from gateway.logs import printable

logger = logging.getLogger(__name__)

READY_SECONDS = 3.0  # after these no further check is begun
MAX_DELAY = 1.0  # seconds
MAX_SIZE = 1_000_000  # bytes
WITHOUT_BODY = (204, 205, 304)


def bodiless_head(view: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """HEAD tells the length and sends nothing: not every server takes the body away by itself."""

    @wraps(view)
    def answer(request: HttpRequest) -> HttpResponse:
        response = view(request)
        if request.method == "HEAD" and response.status_code not in WITHOUT_BODY:
            response["Content-Length"] = str(len(response.content))
            response.content = b""
        return response

    return answer


@never_cache
@bodiless_head
def healthz(request: HttpRequest) -> JsonResponse:
    """Whether this process answers at all. Asks nothing else."""
    return JsonResponse({"status": "ok"})


@never_cache
@bodiless_head
def readyz(request: HttpRequest) -> JsonResponse:
    """Whether the system can do its work: 200, or 503 and what can't."""
    until = time.monotonic() + READY_SECONDS
    checks = {path: _ask(path, until) for path in conf.readiness_checks}
    ready = not any(checks.values())
    answers = {path: reason or "ok" for path, reason in checks.items()}
    return JsonResponse({"ready": ready, "checks": answers}, status=200 if ready else 503)


def _ask(path: str, until: float) -> str | None:
    if time.monotonic() > until:
        return f"not asked: the checks before it took {READY_SECONDS:.0f} s"
    try:
        check: Callable[[], str | None] = import_string(path)
        return check()
    except Exception as error:  # noqa: BLE001 - whatever fails here isn't ready, and the probe says so
        logger.warning("Readiness check %s failed: %s", path, printable(str(error)))
        return f"{type(error).__name__}: {' '.join(str(error).split())}"


class BadWish(ValueError):
    """A status, delay or size that can't be had; the message names the field."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The answer a caller of `/api/test` asks for."""

    status: int = 200
    delay: float = 0.0  # seconds
    size: int | None = None  # bytes of the body; None is what the answer needs

    @classmethod
    def of(cls, request: HttpRequest) -> Wish:
        """From the header `X-Test-Status`, or, without it, from `?status=`; delay and size likewise.

        The header wins, so that a replayed path can keep a query string of its own. Raises BadWish.
        """
        status, delay, size = (_wanted(request, field) for field in ("status", "delay", "size"))
        return cls(
            status=200 if status is None else _status(status),
            delay=0.0 if delay is None else _delay(delay),
            size=None if size is None else _integer("size", size, 0, MAX_SIZE),
        )


def _wanted(request: HttpRequest, field: str) -> str | None:
    header = request.headers.get(f"X-Test-{field}")
    return request.GET.get(field) if header is None else header


def _status(text: str) -> int:
    status = _integer("status", text, 100, 599)
    if status < 200:
        raise BadWish(f"status: {status} announces another answer and can't stand alone (200 to 599 can)")
    return status


def _integer(field: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9 and least <= int(text) <= most):
        raise BadWish(f"{field}: {text!r:.60} is not a whole number from {least} to {most}")
    return int(text)


def _delay(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MAX_DELAY:
        raise BadWish(f"delay: {text!r:.60} is not a number of seconds from 0 to {MAX_DELAY:g}")
    return seconds


@csrf_exempt
@bodiless_head
def api_test(request: HttpRequest) -> HttpResponse:
    """Answers any method on any path below `/api/test` as the caller asks; 404 unless `TEST_ENDPOINT`."""
    if not conf.test_endpoint:
        raise Http404
    try:
        wish = Wish.of(request)
    except BadWish as error:
        return JsonResponse({"error": str(error)}, status=400)
    time.sleep(wish.delay)
    body = _body(request, wish)
    if wish.status in WITHOUT_BODY:
        return HttpResponse(status=wish.status)
    return HttpResponse(body, content_type="application/json", status=wish.status)


def _body(request: HttpRequest, wish: Wish) -> bytes:
    """JSON of exactly the wanted size: padded with blanks, or, where that is too small, a row of digits."""
    answer = {"method": request.method, "path": request.path, "status": wish.status, "delay": wish.delay}
    body = json.dumps(answer).encode()
    if wish.size is None:
        return body
    return body.ljust(wish.size) if len(body) <= wish.size else b"1" * wish.size


def favicon(request: HttpRequest) -> HttpResponse:
    """None, said so that a browser believes it for a day."""
    return HttpResponse(status=204, headers={"Cache-Control": "max-age=86400"})
