"""Makes the event of one request: pure, but for the clock that `Timing.begin` reads."""

from __future__ import annotations

import time

import msgspec
from django.http import HttpRequest

from gateway import metrics
from gateway.client import identify
from gateway.events import (
    MAX_BYTES,
    MAX_HOST,
    MAX_METHOD,
    MAX_PATH,
    MAX_RESPONSE_TIME,
    MAX_STATUS,
    MAX_USER_AGENT,
    MIN_STATUS,
    TrafficEvent,
    storable,
)
from gateway.idempotency import generate_idempotent_id, hash_ip
from gateway.routes import route_of


class Timing(msgspec.Struct, frozen=True, gc=False):
    """When a request arrived: by the wall clock for its id, by the monotonic one for its duration."""

    arrival: int  # ms since the epoch
    started: float  # s, monotonic

    @classmethod
    def begin(cls) -> Timing:
        return cls(time.time_ns() // 1_000_000, time.perf_counter())

    def elapsed(self) -> float:
        """Milliseconds since, to the microsecond."""
        return round((time.perf_counter() - self.started) * 1000, 3)


def make_event(
    request: HttpRequest, timing: Timing, status: int, response_bytes: int
) -> tuple[TrafficEvent, bool]:
    """The event, and whether its request id came from the edge (so that a repeat can be known).

    Raises ValueError if the clock stands before 2001-09-09.
    """
    meta = request.META
    client = identify(meta, timing.arrival)
    if client.start_ignored:
        metrics.start_ignored.inc()
    path = storable(request.path or "/", MAX_PATH)  # an ASGI server may leave it empty
    timestamp = timing.arrival if client.started is None else client.started
    client_ip_hash = hash_ip(client.address)
    event = TrafficEvent(
        idempotent_id=generate_idempotent_id(timestamp, client_ip_hash, path, client.request_id),
        timestamp=timestamp,
        path=path,
        route=route_of(path, request.resolver_match, status),
        method=storable(request.method or "-", MAX_METHOD),
        # A view may set any number after the fact; the request is counted all the same.
        status=min(max(int(status), MIN_STATUS), MAX_STATUS),
        response_time=min(timing.elapsed(), MAX_RESPONSE_TIME),
        client_ip_hash=client_ip_hash,
        request_id=client.request_id,
        host=storable(str(meta.get("HTTP_HOST") or ""), MAX_HOST),
        user_agent=storable(utf8_header(str(meta.get("HTTP_USER_AGENT") or "")), MAX_USER_AGENT),
        response_bytes=min(response_bytes, MAX_BYTES),
        country=client.country,
    )
    return event, client.from_edge


def utf8_header(value: str) -> str:
    """A header as its sender meant it: servers hand headers over as Latin-1, clients write UTF-8."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return value
