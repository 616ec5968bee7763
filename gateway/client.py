"""Who sent a request, and under which id, when proxies stand before us.

A header counts only if the peer that sent it is in `TRUSTED_PROXIES`: anyone can write any header.
No header raises; an address that can't be known is `UNKNOWN`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from django.core.signals import setting_changed

from gateway.conf import conf
from gateway.idempotency import hash_ip, is_plain_ipv4
from gateway.networks import Network

UNKNOWN = "unknown"
MAX_ADDRESS = 100  # characters; what is longer is none
MAX_REMEMBERED = 300  # characters of all that names an address
MAX_ORIGINS = 4096
IPV6, NETWORK_BITS = 6, 64
START_TOLERANCE_MS = 60_000  # X-Request-Start counts within this of the arrival
MICROSECONDS = 6  # digits of a fraction that can matter
SECONDS_DIGITS, MILLISECONDS_DIGITS = 10, 13  # of the time since the epoch
DIVISORS = (10**3, 10**6, 10**9)  # of millionths of a second, a millisecond, a microsecond: milliseconds

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a request came from. The address itself never leaves the process."""

    client_ip_hash: str
    is_trusted: bool  # the peer, so that its other headers are believed, too


class Origins(dict[tuple[Any, Any, Any, Any], Origin]):
    """The origin of a request by what its `META` has under `NAMES`: in memory only, and bounded.

    A dictionary, since a request pays for every call.
    """

    NAMES = ("REMOTE_ADDR", "HTTP_CF_CONNECTING_IP", "HTTP_X_REAL_IP", "HTTP_X_FORWARDED_FOR")

    def __missing__(self, said: tuple[Any, Any, Any, Any]) -> Origin:
        peer, connecting, real, forwarded = [str(value or "") for value in said]
        address, is_believed = _address_of(peer, connecting, real, forwarded)
        origin = Origin(hash_ip(address or UNKNOWN), is_believed)
        if len(peer) + len(connecting) + len(real) + len(forwarded) <= MAX_REMEMBERED:
            if len(self) >= MAX_ORIGINS:
                self.clear()
            self[said] = origin
        return origin


origins = Origins()


def network_hash_of(meta: Mapping[str, Any]) -> str:
    """As the origin's, but one for all of an IPv6 network (/64): who has one has all of its addresses."""
    get = meta.get
    address, _ = _address_of(*(str(get(name) or "") for name in Origins.NAMES))
    found = _ip(address) if address else None
    if found is not None and found.version == IPV6:
        return hash_ip(str(ipaddress.ip_network((found, NETWORK_BITS), strict=False)))
    return hash_ip(address or UNKNOWN)


def _address_of(peer: str, connecting: str, real: str, forwarded: str) -> tuple[str | None, bool]:
    """The client's address if it can be known, and whether the peer is trusted."""
    is_believed = is_trusted(peer, conf.trusted_proxies)
    if is_believed:
        return _forwarded_address(peer, connecting, real, forwarded), True
    return parse_address(peer), False


def _forget(**_: Any) -> None:
    origins.clear()


setting_changed.connect(_forget, dispatch_uid="gateway.client")


def request_id_of(meta: Mapping[str, Any]) -> tuple[str, bool]:
    """The id a trusted proxy gave, or an empty one, and whether it names one request for certain."""
    for name, is_edge in conf.request_id_places:
        value = meta.get(name)
        if value and (request_id := str(value).strip()):
            return request_id, is_edge
    return "", False


@lru_cache(maxsize=512)
def country_of(said: str) -> str:
    """Two characters as Cloudflare sends them (ISO 3166, `XX` unknown, `T1` Tor); else empty."""
    value = said.strip().upper()
    return value if len(value) == 2 and value.isascii() and value.isalnum() and value != "XX" else ""


def _forwarded_address(peer: str, connecting: str, real: str, forwarded: str) -> str | None:
    """What a trusted peer says of the client; its own address if it says nothing."""
    address = parse_address(connecting) or parse_address(real)
    if address:
        return address
    if forwarded:
        return _first_untrusted(forwarded.split(","))
    return None if connecting or real else parse_address(peer)


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
    if is_plain_ipv4(text):
        return text
    address = _ip(text) if len(text) <= MAX_ADDRESS else None
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
    text = value.strip().removeprefix("t=")
    digits = text.replace(".", "", 1)
    if len(text) > 32 or not digits.isdigit() or not text.isascii():
        return None
    if len(digits) == MILLISECONDS_DIGITS and text[SECONDS_DIGITS] == ".":
        # As nginx writes it ($msec), which takes half the time if it is seen.
        started = int(digits)
        if abs(started - arrival) <= START_TOLERANCE_MS:
            return started
    # Whole numbers: with a binary fraction, some milliseconds come out one too early.
    whole, _, fraction = text.partition(".")
    millionths = int(whole + fraction[:MICROSECONDS].ljust(MICROSECONDS, "0"))
    for divisor in DIVISORS:
        started = millionths // divisor
        if abs(started - arrival) <= START_TOLERANCE_MS:
            return started
    return None
