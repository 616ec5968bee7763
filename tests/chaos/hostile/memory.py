"""Resident memory of the web and worker processes while events pass by the hundred thousand."""

from __future__ import annotations

import random
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.integration.stack import Server

FEW, MANY = 10_000, 100_000
ROLES = {"web": ("gunicorn",), "worker": ("qcluster",)}
ALLOWED_GROWTH = 1.2


def resident(server: Server) -> dict[str, int]:
    """kB of RSS by role, summed over its processes."""
    return {role: sum(map(_rss, server.pids(*words))) for role, words in ROLES.items()}


def _rss(pid: int) -> int:
    try:
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def measure(server: Server, few: int = FEW, many: int = MANY) -> dict[str, Any]:
    """Sends `many` requests that differ in all that a cache might remember; the figures."""
    started = time.monotonic()
    numbers = iter(range(many))
    sent = _send(server, numbers, few)
    at_few = _settled(server, sent)
    sent += _send(server, numbers, many - few)
    at_many = _settled(server, sent)
    growth = {role: round(at_many[role] / at_few[role], 3) for role in ROLES}
    return {
        "events": server.rows("SELECT count(*) FROM stats_event")[0][0],
        f"rss_kb_after_{few}": at_few,
        f"rss_kb_after_{many}": at_many,
        "growth": growth,
        "within_20_percent": max(growth.values()) <= ALLOWED_GROWTH,
        "dead_letters": server.rows("SELECT count(*) FROM stats_deadletter")[0][0],
        "seconds": round(time.monotonic() - started, 1),
    }


def _settled(server: Server, sent: int) -> dict[str, int]:
    assert server.drained(sent, 120), f"{sent} events are not all stored: {server.output()[-2000:]}"
    return resident(server)


def _send(server: Server, numbers: Iterator[int], count: int) -> int:
    """Sends the next `count` requests, a few at a time; how many were answered with 200."""
    lock = threading.Lock()
    answered = [0]
    taken = [0]

    def work() -> None:
        while True:
            with lock:
                if taken[0] >= count:
                    return
                taken[0] += 1
                number = next(numbers)
            fine = _ask(server.port, number)
            with lock:
                answered[0] += fine

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answered[0]


def _ask(port: int, number: int) -> bool:
    """A request with a path, client, agent and garbage of its own, on a connection of its own."""
    garbage = random.Random(number).randbytes(40).hex()
    head = (
        f"GET /api/test/{garbage[:20]}/n{number}?q={garbage} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"X-Forwarded-For: {garbage}, 203.0.{number >> 8 & 255}.{number & 255}\r\nUser-Agent: {garbage}\r\n"
        f"X-Request-ID: {garbage}-{number}\r\nCF-IPCountry: {garbage[:2]}\r\n"
        f"Cookie: {garbage}={garbage}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65536)
        while connection.recv(65536):
            pass
    return answer.startswith(b"HTTP/1.1 200 ")
