"""Which addresses a webhook may be sent to: public ones, and those that the operator allows.

A name is looked up once, and the connection goes to an address that was looked at: who answers for the name
can't give another one in between. An IPv4 address that hides in an IPv6 one is judged as what it is.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from django.utils.translation import gettext as _

from gateway.networks import Network

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_URL = 2_000
PORTS = {"https": 443, "http": 80}
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
UNICAST = ipaddress.IPv6Network("2000::/3")  # all that has been given to anybody yet
TUNNELS = tuple(map(ipaddress.IPv6Network, ("2002::/16", "2001::/32")))  # 6to4, Teredo: no way for a message


class Refused(Exception):
    """The target is none that a message may go to. The message says why, and names no secret."""


@dataclass(frozen=True)
class Target:
    """A URL that was taken apart and accepted."""

    scheme: str
    host: str  # in ASCII
    port: int
    path: str  # with the query

    @property
    def is_encrypted(self) -> bool:
        return self.scheme == "https"


def target_of(url: str) -> Target:
    """Takes a webhook's URL apart. Raises Refused."""
    if len(url) > MAX_URL or any(ord(char) <= 32 or ord(char) == 127 for char in url):
        raise Refused(_("longer than %(most)d characters, or with spaces in it") % {"most": MAX_URL})
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused(_("no URL: %(error)s") % {"error": error}) from None
    if parts.scheme not in PORTS:
        raise Refused(_("begins neither with https:// nor with http://"))
    if "@" in parts.netloc:
        raise Refused(_("holds a user or a password, which are not sent; messages are signed instead"))
    if port == 0:
        raise Refused(_("port 0 is none"))
    return Target(parts.scheme, _ascii_host(parts), port or PORTS[parts.scheme], _path(parts))


def _ascii_host(parts: SplitResult) -> str:
    host = parts.hostname or ""
    try:
        host = host if ":" in host else host.encode("idna").decode()
    except UnicodeError:
        host = ""
    if not host or "%" in host:
        raise Refused(_("has no host, or none that can be"))
    return host


def _path(parts: SplitResult) -> str:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.isascii():
        raise Refused(_("has characters in its path that must be percent-encoded"))
    return path


def permitted(target: Target, allowed: Sequence[Network | str]) -> list[Address]:
    """The addresses of the target's host that a connection may go to, in the resolver's order.

    Raises Refused if there are none, and OSError if the name can't be looked up.
    """
    found = list(_resolved(target))
    good = [address for address in found if is_permitted(address, target.is_encrypted, allowed)]
    if not good:
        raise Refused(why_not(target, found))
    return good


def literal(host: str) -> Address | None:
    """The address that a host is, if it is no name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_permitted(address: Address, is_encrypted: bool, allowed: Sequence[Network | str]) -> bool:
    """Whether a message may be sent there; unencrypted only into networks that are allowed by name."""
    address = unwrapped(address)
    if any(not isinstance(network, str) and address in network for network in allowed):
        return True
    return is_encrypted and is_public(address)


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could be meant by it, and nobody nearer."""
    address = unwrapped(address)
    if isinstance(address, ipaddress.IPv6Address) and (
        address not in UNICAST or any(address in tunnel for tunnel in TUNNELS)
    ):
        return False
    return address.is_global and not address.is_multicast


def unwrapped(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (mapped, or through NAT64), or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _resolved(target: Target) -> Iterator[Address]:
    seen = set()
    for found in socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM):
        # A scope (`fe80::1%eth0`) is of link-local addresses only, which stay refused without it.
        address = ipaddress.ip_address(str(found[4][0]).partition("%")[0])
        if address not in seen:
            seen.add(address)
            yield address


def why_not(target: Target, found: Sequence[Address]) -> str:
    """Why none of the addresses of a target is permitted, and what would help."""
    if any(is_public(address) for address in found):
        return _("http:// only goes to networks in ALERT_WEBHOOK_ALLOWED_NETWORKS; use https://")
    text = _("%(host)s is no public address; ALERT_WEBHOOK_ALLOWED_NETWORKS may allow it")
    return text % {"host": target.host}
