"""Networks as settings write them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Networks(tuple[Network | str, ...]):
    """Networks as a key of a cache: hashed once, where a plain tuple hashes each network for each look."""

    _hash: int

    def __new__(cls, networks: Iterable[Network | str]) -> Networks:
        made = super().__new__(cls, networks)
        made._hash = tuple.__hash__(made)
        return made

    def __hash__(self) -> int:
        return self._hash


@lru_cache(maxsize=16)
def parse_networks(entries: Sequence[str], setting: str = "TRUSTED_PROXIES") -> Networks:
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
    return Networks(parsed)
