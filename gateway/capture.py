"""From a request to its event: facts while it runs, the event of them afterwards."""

from __future__ import annotations

import uuid
from time import perf_counter, time_ns

import msgspec
from django.http import HttpRequest

from gateway import metrics
from gateway.client import country_of, origin_of, parse_request_start, request_id_of
from gateway.events import (
    MAX_BYTES,
    MAX_HOST,
    MAX_METHOD,
    MAX_PATH,
    MAX_REQUEST_ID,
    MAX_RESPONSE_TIME,
    MAX_STATUS,
    MAX_USER_AGENT,
    MIN_STATUS,
    TrafficEvent,
    storable,
)
from gateway.facts import Facts
from gateway.idempotency import generate_idempotent_id
from gateway.routes import route_of


class Timing(msgspec.Struct, frozen=True, gc=False):
    """When a request arrived: by the wall clock for its id, by the monotonic one for its duration."""

    arrival: int = msgspec.field(default_factory=time_ns)  # ns since the epoch
    started: float = msgspec.field(default_factory=perf_counter)  # s, monotonic


def take_down(request: HttpRequest, timing: Timing, status: int, response_bytes: int) -> tuple[Facts, bool]:
    """What there is to know of a request, and whether its id came from the edge (so that a repeat can be
    known).
    """
    duration = perf_counter() - timing.started
    meta = request.META
    get = meta.get
    origin = origin_of(meta)
    request_id = request_start = country = ""
    from_edge = False
    if origin.is_trusted:
        request_id, from_edge = request_id_of(meta)
        request_start = get("HTTP_X_REQUEST_START") or ""
        country = get("HTTP_CF_IPCOUNTRY") or ""
    user_agent = get("HTTP_USER_AGENT") or ""
    match = request.resolver_match
    facts = Facts(
        timing.arrival // 1_000_000,
        int(duration * 1_000_000),
        int(status),  # a view may set any number after the fact; the request is counted all the same
        response_bytes if response_bytes < MAX_BYTES else MAX_BYTES,
        request.method or "-",
        request.path or "/",  # an ASGI server may leave it empty
        None if match is None else match.route,
        origin.client_ip_hash,
        request_id or str(uuid.uuid4()),
        get("HTTP_HOST") or "",
        user_agent if user_agent.isascii() else utf8_header(user_agent),
        request_start,
        country,
    )
    return facts, from_edge


def event_of(facts: Facts) -> TrafficEvent:
    """The event that these facts make, the same however often. Counts a time of request it can't use."""
    timestamp = facts.arrival
    if facts.request_start:
        started = parse_request_start(facts.request_start, facts.arrival)
        if started is None:
            metrics.start_ignored.inc()
        else:
            timestamp = started
    path = storable(facts.path, MAX_PATH)
    request_id = storable(facts.request_id, MAX_REQUEST_ID)
    return TrafficEvent(
        idempotent_id=generate_idempotent_id(timestamp, facts.client_ip_hash, path, request_id),
        timestamp=timestamp,
        path=path,
        route=route_of(path, facts.pattern, facts.status),
        method=storable(facts.method, MAX_METHOD),
        status=min(max(facts.status, MIN_STATUS), MAX_STATUS),
        response_time=min(facts.duration / 1000, MAX_RESPONSE_TIME),
        client_ip_hash=facts.client_ip_hash,
        request_id=request_id,
        host=storable(facts.host, MAX_HOST),
        user_agent=storable(facts.user_agent, MAX_USER_AGENT),
        response_bytes=facts.response_bytes,
        country=country_of(facts.country) if facts.country else "",
    )


def utf8_header(value: str) -> str:
    """A header as its sender meant it: servers hand headers over as Latin-1, clients write UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return value
