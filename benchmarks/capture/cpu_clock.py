"""CPU time that a middleware takes of its request's thread: what is between two that read the thread's clock.

The sum stands in a file a thread, in `VAR_DIR/cpu`, as seconds and requests.
"""

from __future__ import annotations

import os
import struct
import threading
import time
from collections.abc import Callable, Collection
from functools import cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse

Handler = Callable[[HttpRequest], HttpResponse]
_RECORD = struct.Struct("dq")


class _Sum(threading.local):
    def __init__(self) -> None:
        folder = Path(os.environ["VAR_DIR"]) / "cpu"
        folder.mkdir(exist_ok=True)
        name = folder / f"{os.getpid()}-{threading.get_native_id()}"
        self.file = os.open(name, os.O_RDWR | os.O_CREAT, 0o600)
        self.inside = self.seconds = 0.0
        self.requests = 0


@cache
def _sums() -> _Sum:
    return _Sum()


def outer(get_response: Handler) -> Handler:
    sums = _sums()

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.thread_time()
        response = get_response(request)
        sums.seconds += time.thread_time() - started - sums.inside
        sums.requests += 1
        os.pwrite(sums.file, _RECORD.pack(sums.seconds, sums.requests), 0)
        return response

    return middleware


def inner(get_response: Handler) -> Handler:
    sums = _sums()

    def middleware(request: HttpRequest) -> HttpResponse:
        started = time.thread_time()
        response = get_response(request)
        sums.inside = time.thread_time() - started
        return response

    return middleware


def total(folder: Path, pids: Collection[int]) -> tuple[float, int]:
    """Seconds and requests of all threads of these processes so far."""
    files = [path for path in folder.iterdir() if int(path.name.partition("-")[0]) in pids]
    records = [_RECORD.unpack(path.read_bytes()) for path in files if path.stat().st_size]
    return sum(seconds for seconds, _ in records), sum(requests for _, requests in records)
