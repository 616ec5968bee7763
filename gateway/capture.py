"""From a request to its event: facts while it runs, the event of them afterwards."""

from __future__ import annotations

import uuid
from time import perf_counter

from django.http import HttpRequest

from gateway import metrics
from gateway.client import country_of, origins, parse_request_start, request_id_of
from gateway.events import MAX_BYTES, MAX_RESPONSE_TIME, MAX_STATUS, MIN_STATUS, TrafficEvent
from gateway.facts import Facts
from gateway.idempotency import generate_idempotent_id
from gateway.routes import route_of


def take_down(request: HttpRequest, arrival: int, started: float, status: int, response_bytes: int) -> Facts:
    """What there is to know of a request.

    It arrived at `arrival` (ns since the epoch), which was `started` by the monotonic clock (s).
    """
    duration = perf_counter() - started
    meta = request.META
    get = meta.get
    # In the order of `Origins.NAMES`.
    origin = origins[
        get("REMOTE_ADDR"),
        get("HTTP_CF_CONNECTING_IP"),
        get("HTTP_X_REAL_IP"),
        get("HTTP_X_FORWARDED_FOR"),
    ]
    request_id = request_start = country = ""
    from_edge = False
    if origin.is_trusted:
        request_id, from_edge = request_id_of(meta)
        request_start = get("HTTP_X_REQUEST_START") or ""
        country = get("HTTP_CF_IPCOUNTRY") or ""
    user_agent = get("HTTP_USER_AGENT") or ""
    match = request.resolver_match
    return Facts(
        arrival // 1_000_000,
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
        from_edge,
    )


def event_of(facts: Facts) -> TrafficEvent:
    """The event that these facts, once bounded, make, the same however often.

    Counts a time of request that it can't use.
    """
    timestamp = facts.arrival
    if facts.request_start:
        started = parse_request_start(facts.request_start, facts.arrival)
        if started is None:
            metrics.start_ignored.inc()
        else:
            timestamp = started
    path, status, milliseconds = facts.path, facts.status, facts.duration / 1000
    # Whether a bound is met at all is looked at first: min and max take longer than all else of such a field.
    return TrafficEvent(
        idempotent_id=generate_idempotent_id(timestamp, facts.client_ip_hash, path, facts.request_id),
        timestamp=timestamp,
        path=path,
        route=route_of(path, facts.pattern, status),
        method=facts.method,
        status=status if MIN_STATUS <= status <= MAX_STATUS else min(max(status, MIN_STATUS), MAX_STATUS),
        response_time=milliseconds if milliseconds <= MAX_RESPONSE_TIME else MAX_RESPONSE_TIME,
        client_ip_hash=facts.client_ip_hash,
        request_id=facts.request_id,
        host=facts.host,
        user_agent=facts.user_agent,
        response_bytes=facts.response_bytes,
        country=country_of(facts.country) if facts.country else "",
    )


def utf8_header(value: str) -> str:
    """A header as its sender meant it: servers hand headers over as Latin-1, clients write UTF-8."""
    try:
        return value.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return value
