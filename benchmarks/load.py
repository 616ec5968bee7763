"""Drives a web server with requests: on a schedule (open loop), or as fast as it answers (closed loop).

    python -m benchmarks.load --port 8000 --rate 500 --seconds 10 --result FILE

One thread, non-blocking sockets and prepared bytes, so that it costs little beside what it measures. On a
schedule a request that finds no idle connection waits for one and is not forgotten: its latency counts from
the moment it was due. The result is a file of 8-byte floats, three a request: its number, when it was due and
when its answer was complete, both by CLOCK_MONOTONIC, which all processes of a machine share.
"""

from __future__ import annotations

import argparse
import os
import random
import selectors
import socket
import subprocess
import sys
import time
from array import array
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

RECEIVE_BYTES = 65_536
PATIENCE_SECONDS = 20.0  # after the last request was due
ROUTES = 100
PREFIX = "load"
# After so many a connection is made anew, as proxies do. Kept for ever, most of them may happen to be one web
# process's, and the other one idles.
REQUESTS_A_CONNECTION = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send. `rate` 0 is a closed loop."""

    port: int
    rate: float
    seconds: float
    connections: int
    starts_at: float  # CLOCK_MONOTONIC
    run: str  # told in each request id, so that no two runs share one
    cores: str = ""  # that it may use; empty: all

    def is_due(self, number: int) -> float:
        """When the request of that number is to be sent."""
        return self.starts_at + number / self.rate

    @property
    def ends_at(self) -> float:
        return self.starts_at + self.seconds


def request_id(run: str, number: int) -> str:
    return f"{PREFIX}-{run}-{number}"


@dataclass(frozen=True, slots=True)
class Answered:
    """One request: its number, when it was due and when its answer was there (CLOCK_MONOTONIC)."""

    number: int
    due: float
    at: float


@dataclass(frozen=True, slots=True)
class Result:
    """What the client saw."""

    answered: list[Answered]
    sent: int
    cpu_seconds: float

    @property
    def lost(self) -> int:
        """Requests that were sent or due, and got no answer."""
        return self.sent - len(self.answered)

    @property
    def latencies(self) -> list[float]:
        """Seconds from due to answered, sorted."""
        return sorted(one.at - one.due for one in self.answered)


class Connection:
    """A connection that is kept alive, and the request that is under way on it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.number = -1
        self.due = 0.0
        self.open()

    def open(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""
        self.left = random.randint(1, REQUESTS_A_CONNECTION)  # noqa: S311  (not all of them at once)

    def send(self, number: int, due: float, payload: bytes) -> None:
        """Raises OSError."""
        self.number, self.due = number, due
        self.left -= 1
        self.socket.sendall(payload)

    def is_complete(self) -> bool:
        """Takes what has arrived; whether that ends the answer. Raises OSError when it can't any more."""
        part = self.socket.recv(RECEIVE_BYTES)
        if not part:
            raise ConnectionResetError("closed by the server")
        self.received += part
        head, separator, body = self.received.partition(b"\r\n\r\n")
        if not separator:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionAbortedError(head[:60].decode(errors="replace"))
        if len(body) < int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]):
            return False
        self.received = b""
        return True


class Client:
    """The loop."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.selector = selectors.DefaultSelector()
        self.idle: deque[Connection] = deque()
        self.busy = 0
        self.next = 0
        self.records = array("d")
        for _ in range(plan.connections):
            connection = Connection(plan.port)
            self.selector.register(connection.socket, selectors.EVENT_READ, connection)
            self.idle.append(connection)

    def run(self) -> None:
        time.sleep(max(0.0, self.plan.starts_at - time.monotonic()))
        until = self.plan.ends_at + PATIENCE_SECONDS
        while time.monotonic() < until:
            wait = self._send_what_is_due(time.monotonic())
            if wait is None and not self.busy:
                return
            for key, _ in self.selector.select(0.1 if wait is None else wait):
                self._receive(key.data)

    def _send_what_is_due(self, now: float) -> float | None:
        """Seconds until the next one is due (0.1 if it waits for a connection); None after the last one."""
        rate, ends_at = self.plan.rate, self.plan.ends_at
        while True:
            due = self.plan.is_due(self.next) if rate else now
            if due >= ends_at:
                return None
            if due > now:
                return due - now
            if not self.idle:
                return 0.1
            self._send(self.idle.popleft(), due)
            now = time.monotonic()

    def _send(self, connection: Connection, due: float) -> None:
        number, self.next = self.next, self.next + 1
        payload = (
            f"GET /api/test/r{number % ROUTES} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"X-Request-ID: {request_id(self.plan.run, number)}\r\nUser-Agent: load\r\n\r\n"
        ).encode()
        self.busy += 1
        try:
            connection.send(number, due, payload)
        except OSError:
            # The server closed a connection that lay idle: the request goes by a new one.
            self._reopen(connection)
            connection.send(number, due, payload)

    def _receive(self, connection: Connection) -> None:
        try:
            if not connection.is_complete():
                return
            self.records.extend((connection.number, connection.due, time.monotonic()))
            if not connection.left:
                self._reopen(connection)
        except OSError as error:
            if connection.number >= 0:
                print(f"request {connection.number} failed: {error}", file=sys.stderr)
            self._reopen(connection)
        if connection.number >= 0:  # otherwise the server ended what lay idle for long
            self.busy -= 1
            self.idle.append(connection)
        connection.number = -1

    def _reopen(self, connection: Connection) -> None:
        self.selector.unregister(connection.socket)
        connection.socket.close()
        connection.open()
        self.selector.register(connection.socket, selectors.EVENT_READ, connection)


class Load:
    """A client in a process of its own."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.path = folder / f"load-{plan.run}"
        options = {
            "--port": plan.port,
            "--rate": plan.rate,
            "--seconds": plan.seconds,
            "--connections": plan.connections,
            "--starts-at": repr(plan.starts_at),
            "--run": plan.run,
            "--cores": plan.cores,
            "--result": self.path,
        }
        arguments = [text for name, value in options.items() for text in (name, str(value))]
        self.process = subprocess.Popen([sys.executable, "-m", "benchmarks.load", *arguments])  # noqa: S603

    def result(self) -> Result:
        """Waits for its end. Raises RuntimeError if it failed."""
        patience = self.plan.ends_at - time.monotonic() + PATIENCE_SECONDS + 30
        if self.process.wait(patience):
            raise RuntimeError("the load client failed")
        numbers = array("d", self.path.read_bytes())
        self.path.unlink()
        sent, cpu_seconds = int(numbers.pop(0)), numbers.pop(0)
        rows = zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True)
        return Result([Answered(int(number), due, at) for number, due, at in rows], sent, cpu_seconds)


@contextmanager
def driven(plan: Plan, folder: Path) -> Iterator[Load]:
    """The client at work; ended with the block."""
    load = Load(plan, folder)
    try:
        yield load
    finally:
        load.process.kill()
        load.process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="requests a second; 0: a closed loop")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--starts-at", type=float, default=time.monotonic(), help="by CLOCK_MONOTONIC")
    parser.add_argument("--run", default="0", help="a part of each request id")
    parser.add_argument("--cores", default="", help="comma-separated; the client uses no others")
    parser.add_argument("--result", type=Path, required=True, help="the file that is written")
    options = vars(parser.parse_args())
    result: Path = options.pop("result")
    plan = Plan(**options)
    if plan.cores:
        os.sched_setaffinity(0, map(int, plan.cores.split(",")))
    client = Client(plan)
    began = time.process_time()
    client.run()
    result.write_bytes(array("d", [client.next, time.process_time() - began]).tobytes())
    with result.open("ab") as file:
        client.records.tofile(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
