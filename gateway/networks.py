"""Networks as settings write them."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=16)
def parse_networks(entries: Sequence[str], setting: str = "TRUSTED_PROXIES") -> tuple[Network | str, ...]:
    """The setting's entries as networks. Raises ValueError that names the entry."""
    parsed: list[Network | str] = []
    for entry in entries:
        if entry == "unix":
            parsed.append(entry)
            continue
        try:
            parsed.append(ipaddress.ip_network(entry, strict=False))
        except ValueError as error:
            raise ValueError(f"{setting}: {entry!r} is no network: {error}") from None
    return tuple(parsed)
