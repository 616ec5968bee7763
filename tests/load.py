"""Clients that send requests until they are told to stop, and remember which were answered."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import socket
import struct
import threading
import time
from collections.abc import Iterable, Mapping

PREFIX = "/api/test/load/"
CLIENTS = 4
PAUSE = 0.03  # seconds between two requests of a client
TIMEOUT = 15.0  # seconds


def path_of(request_id: str) -> str:
    """The path under which a request id is sent: `c3-n17` as `/api/test/load/c3/n17`."""
    return PREFIX + request_id.replace("-", "/")


def paths_of(request_ids: Iterable[str]) -> list[str]:
    """Their paths, sorted."""
    return sorted(map(path_of, request_ids))


def cycle_of(request_id: str) -> int:
    """The number of the cycle that sent it."""
    return int(request_id.partition("-")[0].removeprefix("c"))


def get(
    port: int, path: str, headers: Mapping[str, str] | None = None, seconds: float = TIMEOUT
) -> int | None:
    """The status of a request on a connection of its own; None unless all of the answer could be read."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        response.read()
        return response.status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


class Load:
    """Requests by their ids; one is answered only if all of its answer was read, with status 200."""

    def __init__(self, port: int, cycle: int = 0, clients: int = CLIENTS) -> None:
        self._port = port
        self._cycle = cycle
        self._stopping = threading.Event()
        self._numbers = itertools.count()
        self.answered: set[str] = set()
        self.unanswered: set[str] = set()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(PAUSE):
            request_id = f"c{self._cycle}-n{next(self._numbers)}"
            if get(self._port, path_of(request_id), {"X-Request-ID": request_id}) == 200:
                self.answered.add(request_id)
            else:
                self.unanswered.add(request_id)
                time.sleep(0.1)

    def abort(self, request_id: str, *, half: bool) -> None:
        """Sends a request, or half of one, and hangs up with a reset instead of reading the answer."""
        text = f"GET {path_of(request_id)} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: {request_id}\r\n\r\n"
        content = text.encode()
        self.unanswered.add(request_id)
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 5) as client:
            client.sendall(content[: len(content) // 2] if half else content)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
