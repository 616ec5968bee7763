"""The client that drives a web server, as a process: `python -m benchmarks.load_client PLAN FILE`.

PLAN is a `benchmarks.load.Plan` as JSON. One thread, one epoll loop over raw sockets, so that it costs
little beside what it measures, with which it shares the cores. Requests look as the README's nginx sends
them: client address, request id, time of arrival.

FILE gets 8-byte floats: how many requests were sent, the CPU seconds that took, and three for each answer:
the request's number, when it was due and when its answer was complete, both by CLOCK_MONOTONIC, which all
processes of a machine share.
"""

from __future__ import annotations

import json
import os
import random
import re
import select
import socket
import sys
import time
from array import array
from collections import deque
from dataclasses import replace
from pathlib import Path

from benchmarks.load import PATIENCE_SECONDS, Plan, request_id

RECEIVE_BYTES = 65_536
ROUTES = 100
CLIENTS = 500  # addresses that requests come from
WAIT_SECONDS = 0.1  # for an answer, before the clock is looked at again
NO_REQUEST = -1
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class Connection:
    """A place for one request at a time; its socket is there from its first request to its last."""

    __slots__ = ("due", "left", "number", "received", "socket")

    def __init__(self) -> None:
        self.socket: socket.socket | None = None
        self.number = NO_REQUEST
        self.due = 0.0
        self.left = 0  # requests until it is made anew
        self.received = b""

    def is_answered(self) -> bool:
        """Takes what has arrived; whether that ends the answer. Raises OSError when it can't any more."""
        assert self.socket is not None
        part = self.socket.recv(RECEIVE_BYTES)
        if not part:
            raise ConnectionResetError("closed by the server")
        self.received = received = self.received + part if self.received else part
        end = received.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not received.startswith(b"HTTP/1.1 200"):
            raise ConnectionAbortedError(received[:60].decode(errors="replace"))
        length = _LENGTH.search(received, 0, end + 2)
        if length is None:
            raise ConnectionAbortedError("an answer without a length")
        if len(received) < end + 4 + int(length[1]):
            return False
        self.received = b""
        return True


class Client:
    """The loop."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.poll = select.epoll()
        self.open: dict[int, Connection] = {}
        self.idle = deque(Connection() for _ in range(plan.connections))
        self.busy = self.next = self.late = 0
        self.records = array("d")

    def run(self) -> None:
        if not self.plan.starts_at:
            self.plan = replace(self.plan, starts_at=time.monotonic())
        time.sleep(max(0.0, self.plan.starts_at - time.monotonic()))
        until = self.plan.ends_at + PATIENCE_SECONDS
        while (now := time.monotonic()) < until:
            wait = self._send_what_is_due(now)
            if wait is None and not self.busy:
                return
            for descriptor, _ in self.poll.poll(WAIT_SECONDS if wait is None else wait):
                self._receive(self.open[descriptor])

    def _send_what_is_due(self, now: float) -> float | None:
        """Seconds until the next is due (WAIT_SECONDS if it waits for a connection); None after the last."""
        plan = self.plan
        if plan.late_at_most is not None and self.late > plan.late_at_most:
            return None
        while True:
            due = plan.is_due(self.next) if plan.rate else now
            if due >= plan.ends_at:
                return None
            if due > now:
                return due - now
            if not self.idle:
                return WAIT_SECONDS
            self._send(self.idle.popleft(), due)
            now = time.monotonic()

    def _send(self, connection: Connection, due: float) -> None:
        connection.number, connection.due = self.next, due
        self.next += 1
        self.busy += 1
        try:
            self._send_request(connection)
        except OSError:
            # The server closed a connection that lay idle: the request goes by a new one.
            self._close(connection)
            self._send_request(connection)

    def _send_request(self, connection: Connection) -> None:
        """Raises OSError."""
        if connection.socket is None:
            self._connect(connection)
        assert connection.socket is not None
        connection.left -= 1
        connection.socket.sendall(self._request(connection.number, is_last=not connection.left))

    def _request(self, number: int, *, is_last: bool) -> bytes:
        client = number % CLIENTS
        address = f"198.51.{client // 250}.{client % 250}"
        return (
            f"GET {self.plan.path.format(route=number % ROUTES, number=number)} HTTP/1.1\r\n"
            "Host: 127.0.0.1\r\n"
            "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130.0.0.0 Safari/537\r\n"
            f"Accept: application/json\r\nX-Real-IP: {address}\r\nX-Forwarded-For: {address}\r\n"
            f"X-Request-ID: {request_id(self.plan.run, number)}\r\nX-Request-Start: t={time.time():.3f}\r\n"
            f"Connection: {'close' if is_last else 'keep-alive'}\r\n\r\n"
        ).encode()

    def _receive(self, connection: Connection) -> None:
        if connection.number == NO_REQUEST:  # the server ended what lay idle for long
            self._close(connection)
            return
        try:
            if not connection.is_answered():
                return
            now = time.monotonic()
            self.records.extend((connection.number, connection.due, now))
            self.late += now - connection.due > self.plan.late_seconds
            if not connection.left:
                self._close(connection)
        except OSError as error:
            print(f"request {connection.number} failed: {error}", file=sys.stderr)
            self._close(connection)
        connection.number = NO_REQUEST
        self.busy -= 1
        self.idle.append(connection)

    def _connect(self, connection: Connection) -> None:
        """Raises OSError."""
        connected = socket.create_connection(("127.0.0.1", self.plan.port), timeout=10)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.socket, connection.received = connected, b""
        connection.left = self.plan.requests_a_connection
        if self.next <= self.plan.connections:  # one of the first: not all of them are to end at once
            connection.left = random.randint(1, connection.left)  # noqa: S311
        self.open[connected.fileno()] = connection
        self.poll.register(connected.fileno(), select.EPOLLIN)

    def _close(self, connection: Connection) -> None:
        if connection.socket is not None:
            self.poll.unregister(connection.socket.fileno())
            del self.open[connection.socket.fileno()]
            connection.socket.close()
            connection.socket = None


def main(arguments: list[str]) -> int:
    plan = Plan(**json.loads(arguments[0]))
    if plan.cores:
        os.sched_setaffinity(0, plan.cores)
    client = Client(plan)
    began = time.process_time()
    client.run()
    sent = array("d", [client.next, time.process_time() - began])
    Path(arguments[1]).write_bytes(sent.tobytes() + client.records.tobytes())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
