"""Who sent a request, and under which id, when proxies stand before us.

A header counts only if the peer that sent it is in `TRUSTED_PROXIES`: anyone can write any header.
Nothing here raises; an address that can't be known is `UNKNOWN`.
"""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from gateway.conf import conf
from gateway.events import MAX_REQUEST_ID, storable
from gateway.networks import Network

UNKNOWN = "unknown"
MAX_ADDRESS = 100  # characters; garbage of any length is not worth remembering
START_TOLERANCE_MS = 60_000  # X-Request-Start counts within this of the arrival
MICROSECONDS = 6  # digits of a fraction that can matter
DIVISORS = (10**3, 10**6, 10**9)  # of millionths of a second, a millisecond, a microsecond: milliseconds

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Client(msgspec.Struct, frozen=True, gc=False):
    """Where a request came from. `address` never leaves the process: only its hash is stored."""

    address: str
    request_id: str
    from_edge: bool  # the id names one request, however often it arrives
    country: str
    started: int | None  # ms since the epoch, as the edge says; None if it says nothing usable
    start_ignored: bool  # the edge said something that could not be used


def identify(meta: Mapping[str, Any], arrival: int) -> Client:
    """The client behind a request's `META`. `arrival` is in milliseconds since the epoch."""
    peer = str(meta.get("REMOTE_ADDR") or "")
    if not is_trusted(peer, conf.trusted_proxies):
        return Client(parse_address(peer) or UNKNOWN, str(uuid.uuid4()), False, "", None, False)
    request_id, from_edge = _request_id(meta)
    said = meta.get("HTTP_X_REQUEST_START")
    started = parse_request_start(said, arrival) if said else None
    return Client(
        address=_forwarded_address(meta, peer),
        request_id=request_id,
        from_edge=from_edge,
        country=_country(meta),
        started=started,
        start_ignored=bool(said) and started is None,
    )


def _request_id(meta: Mapping[str, Any]) -> tuple[str, bool]:
    """The id a trusted proxy gave, and whether it names one request for certain."""
    names, edge_names = _id_names(conf.edge_id_headers)
    for name in names:
        value = str(meta.get(name) or "").strip()
        if value:
            return storable(value, MAX_REQUEST_ID), name in edge_names
    return str(uuid.uuid4()), False


@lru_cache(maxsize=16)
def _id_names(edge_headers: tuple[str, ...]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Where a request id may stand, as `META` names it, and which of these places are the edge's."""
    edge_names = ["HTTP_" + header.upper().replace("-", "_") for header in edge_headers]
    return ("HTTP_CF_RAY", *edge_names, "HTTP_X_REQUEST_ID"), frozenset(edge_names)


def _country(meta: Mapping[str, Any]) -> str:
    """Two characters as Cloudflare sends them (ISO 3166, `XX` unknown, `T1` Tor); else empty."""
    value = str(meta.get("HTTP_CF_IPCOUNTRY") or "").strip().upper()
    return value if len(value) == 2 and value.isascii() and value.isalnum() and value != "XX" else ""


def _forwarded_address(meta: Mapping[str, Any], peer: str) -> str:
    """What a trusted peer says of the client; its own address if it says nothing."""
    said_something = False
    for header in ("HTTP_CF_CONNECTING_IP", "HTTP_X_REAL_IP"):
        value = str(meta.get(header) or "")
        said_something = said_something or bool(value)
        address = parse_address(value)
        if address:
            return address
    forwarded = str(meta.get("HTTP_X_FORWARDED_FOR") or "")
    if forwarded:
        return _first_untrusted(forwarded.split(","))
    return UNKNOWN if said_something else (parse_address(peer) or UNKNOWN)


def _first_untrusted(hops: list[str]) -> str:
    """X-Forwarded-For from the right: the first hop that is no proxy of ours is the client.

    What stands left of it was written by the client itself, and so was all that stands left of garbage.
    """
    networks = conf.trusted_proxies
    client = UNKNOWN
    for hop in reversed(hops):
        address = parse_address(hop)
        if address is None:
            return UNKNOWN
        client = address
        if not is_trusted(address, networks):
            return client
    return client


@lru_cache(maxsize=4096)
def is_trusted(peer: str, networks: tuple[Network | str, ...]) -> bool:
    """Whether headers of this peer are believed. An empty peer is a Unix socket."""
    if not peer or peer.startswith("unix:"):
        return "unix" in networks
    address = _ip(peer)
    return address is not None and any(
        address in network for network in networks if not isinstance(network, str)
    )


def parse_address(text: str) -> str | None:
    """The address in `text`, which may carry a port; None for garbage."""
    return _parse_address(text) if len(text) <= MAX_ADDRESS else None


@lru_cache(maxsize=4096)
def _parse_address(text: str) -> str | None:
    address = _ip(text)
    return str(address) if address else None


def _ip(text: str) -> Address | None:
    text = text.strip().strip('"')
    if text.startswith("["):  # [2001:db8::1]:443
        text = text[1:].split("]", 1)[0]
    elif text.count(":") == 1:  # 192.0.2.1:443
        text = text.split(":", 1)[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def parse_request_start(value: str, arrival: int) -> int | None:
    """X-Request-Start in milliseconds since the epoch: `t=` or not, seconds, milliseconds or microseconds.

    The unit follows from the size: around now, the three are a factor of a thousand apart. None unless it
    lies within a minute of `arrival`.
    """
    text = str(value).strip().removeprefix("t=")
    if len(text) > 32 or not text.replace(".", "", 1).isdigit() or not text.isascii():
        return None
    # Whole numbers: with a binary fraction, some milliseconds come out one too early.
    whole, _, fraction = text.partition(".")
    millionths = int(whole + fraction[:MICROSECONDS].ljust(MICROSECONDS, "0"))
    for divisor in DIVISORS:
        started = millionths // divisor
        if abs(started - arrival) <= START_TOLERANCE_MS:
            return started
    return None
