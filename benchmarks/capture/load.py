"""A client that is cheaper than what it asks: a few sockets in one epoll loop, in a process of its own.

Each connection sends its next request when the last one is answered. Requests look as the README's nginx
sends them: client address, request id, time of arrival. `python -m benchmarks.capture.load PORT` prints JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import select
import socket
import sys
import time
from array import array
from collections.abc import Iterator

ROUTES = 100
CLIENTS = 500
_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n", re.IGNORECASE)


def requests(keep_alive: bool) -> Iterator[bytes]:
    """Requests without end: other paths, clients and ids each."""
    connection = "keep-alive" if keep_alive else "close"
    number = 0
    nonce = f"{time.time_ns() & 0xFFFFFFFF:08x}"
    while True:
        number += 1
        client = number % CLIENTS
        address = f"198.51.{client // 250}.{client % 250}"
        yield (
            f"GET /api/area{number % ROUTES}/items/{number} HTTP/1.1\r\nHost: shop.example.org\r\n"
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537\r\n"
            f"Accept: application/json\r\nX-Real-IP: {address}\r\nX-Forwarded-For: {address}\r\n"
            f"X-Request-ID: {nonce}{number:024x}\r\nX-Request-Start: t={time.time():.3f}\r\n"
            f"Connection: {connection}\r\n\r\n"
        ).encode()


class Client:
    """Some connections to one port."""

    def __init__(self, port: int, *, keep_alive: bool) -> None:
        self._address = ("127.0.0.1", port)
        self._keep_alive = keep_alive
        self._requests = requests(keep_alive)
        self._poll = select.epoll()
        self._open: dict[int, tuple[socket.socket, float]] = {}
        self.latencies = array("d")
        self.failed = 0

    def run(self, connections: int, seconds: float) -> float:
        """Asks for so long; the seconds it took until the last answer."""
        started = time.perf_counter()
        until = started + seconds
        for _ in range(connections):
            self._connect()
        while self._open:
            for descriptor, _ in self._poll.poll(10):
                self._answered(descriptor, until)
        return time.perf_counter() - started

    def _connect(self) -> None:
        request = next(self._requests)
        begun = time.perf_counter()
        connected = socket.create_connection(self._address, timeout=10)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected.sendall(request)
        self._open[connected.fileno()] = (connected, begun)
        self._poll.register(connected.fileno(), select.EPOLLIN)

    def _answered(self, descriptor: int, until: float) -> None:
        connected, begun = self._open[descriptor]
        ok = _read(connected)
        now = time.perf_counter()
        self.latencies.append(now - begun)
        self.failed += not ok
        if self._keep_alive and ok and now < until:
            request = next(self._requests)
            self._open[descriptor] = (connected, time.perf_counter())
            connected.sendall(request)
            return
        self._poll.unregister(descriptor)
        del self._open[descriptor]
        connected.close()
        if now < until:
            self._connect()


def _read(connected: socket.socket) -> bool:
    """Reads one whole answer; whether it is a 200. A head that is there is followed by its body at once."""
    data = connected.recv(65536)
    while (end := data.find(b"\r\n\r\n")) < 0:
        more = connected.recv(65536)
        if not more:
            return False
        data += more
    found = _LENGTH.search(data)
    wanted = end + 4 + int(found[1]) if found else 0
    while len(data) < wanted:
        more = connected.recv(65536)
        if not more:
            return False
        data += more
    return found is not None and data.startswith(b"HTTP/1.1 200")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--keep-alive", action="store_true")
    options = parser.parse_args()
    client = Client(options.port, keep_alive=options.keep_alive)
    took = client.run(options.connections, options.seconds)
    ordered = sorted(client.latencies)
    print(
        json.dumps(
            {
                "requests": len(ordered),
                "failed": client.failed,
                "rate": len(ordered) / took,
                "cpu_us": time.process_time() / len(ordered) * 1e6,
                **{f"p{p}_ms": ordered[len(ordered) * p // 100] * 1000 for p in (50, 99)},
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
