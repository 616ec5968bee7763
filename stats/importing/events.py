"""A line of a log as an event, such as the middleware would have made of its request."""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote_to_bytes

from django.utils.encoding import repercent_broken_unicode

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
    encode,
    storable,
)
from gateway.idempotency import generate_idempotent_id
from gateway.routes import route_of
from stats.importing.client import Clients
from stats.importing.line_format import Entry


class EventMaker:
    """Makes the events of one run. What many lines share is worked out once."""

    def __init__(self) -> None:
        self._clients = Clients()
        # Of this run's own: settings decide what a route is.
        self._route_of = lru_cache(maxsize=16_384)(lambda path, status: route_of(path, None, status))

    def encoded(self, entry: Entry, timestamp: int, request_id: str) -> bytes:
        """The event of a line. `timestamp` is in ms since the epoch and must have 13 digits."""
        path = path_of(entry.target)
        client = self._clients.hash_of(entry.address, entry.forwarded)
        return encode(
            TrafficEvent(
                idempotent_id=generate_idempotent_id(timestamp, client, path, request_id),
                timestamp=timestamp,
                path=path,
                route=self._route_of(path, entry.status),
                method=storable(entry.method, MAX_METHOD),
                status=min(max(entry.status, MIN_STATUS), MAX_STATUS),
                response_time=round(min(entry.response_time, MAX_RESPONSE_TIME), 3),
                client_ip_hash=client,
                request_id=request_id,
                host=storable(entry.host, MAX_HOST),
                user_agent=storable(entry.user_agent, MAX_USER_AGENT),
                response_bytes=min(entry.size, MAX_BYTES),
            )
        )


@lru_cache(maxsize=16_384)
def path_of(target: str) -> str:
    """The path of a logged target: decoded as Django does it, and without the query string."""
    if not target.startswith("/"):
        # `OPTIONS *`, `CONNECT host:443`, or a whole address as proxies are asked.
        scheme, separator, rest = target.partition("://")
        target = "/" + (rest.partition("/")[2] if separator and scheme.isalpha() else target)
    raw = target.partition("?")[0].encode("utf-8", "surrogateescape")
    return storable(repercent_broken_unicode(unquote_to_bytes(raw)).decode(), MAX_PATH)
