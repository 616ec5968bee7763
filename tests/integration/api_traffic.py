"""What the tests of the API share: counted requests, and a database that is away or hangs."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import connections

from gateway import queue
from gateway.events import TrafficEvent, encode
from gateway.idempotency import hash_ip
from stats.consumer import drain

FORMULA = "=HYPERLINK(1)"  # what a client would send to whoever opens the table in a spreadsheet
ROUTES = ("/api/items/{id}", "/api/orders", "/商品")


def traffic(make_event: Callable[..., TrafficEvent], count: int = 90) -> list[TrafficEvent]:
    """`count` counted events, a minute apart, the last of them just now; oldest first."""
    now = int(time.time() * 1000)
    made = [
        make_event(
            timestamp=now - (count - number) * 60_000,
            path=f"/api/{number}",
            route=ROUTES[number % len(ROUTES)],
            method=("GET", "GET", "POST")[number % 3],
            status=(200, 200, 204, 404, 500)[number % 5],
            response_time=float(number + 1),
            client_ip_hash=hash_ip(f"192.0.2.{number % 7}"),
            user_agent=FORMULA if number % 10 == 0 else "pytest",
            country=("DE", "US", "")[number % 3],
        )
        for number in range(count)
    ]
    queue.send([encode(event) for event in made])
    drain()
    return made


@contextmanager
def database_away() -> Iterator[None]:
    """Nobody listens where this thread expects its database."""
    wrapper = connections["default"]
    kept = dict(wrapper.settings_dict)
    wrapper.close()
    wrapper.settings_dict["HOST"], wrapper.settings_dict["PORT"] = "127.0.0.1", "1"
    try:
        yield
    finally:
        wrapper.close()
        wrapper.settings_dict.update(kept)


@contextmanager
def database_hangs() -> Iterator[None]:
    """The server's process behind this thread's connection stands still: it stays connected, and silent."""
    wrapper = connections["default"]
    wrapper.ensure_connection()
    backend = wrapper.connection.info.backend_pid
    assert backend > 1  # a lost connection has 0 here, which is every process of ours
    os.kill(backend, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(backend, signal.SIGCONT)
        wrapper.close()  # as the end of a request does; the test client leaves that out
        with wrapper.cursor() as cursor:  # it may be asleep still, and hold locks
            cursor.execute("SELECT pg_terminate_backend(%s, 2000)", [backend])
