"""Who sent a logged request: by the same rules as for a live one.

A list of addresses is believed from the right, past `TRUSTED_PROXIES`, and only if the peer that
handed it over is one of them, or if the log holds the list in the peer's place.
"""

from __future__ import annotations

from gateway.accesslog.request import client_address
from gateway.client import UNKNOWN, is_trusted, parse_address
from gateway.conf import conf
from gateway.idempotency import hash_ip

REMEMBERED = 100_000  # clients; in memory only, and no longer than a run


class Clients:
    """The hashes that stand for the clients of one run."""

    def __init__(self) -> None:
        self._proxies = conf.trusted_proxies
        self._hashes: dict[tuple[str, str | None], str] = {}

    def hash_of(self, address: str, forwarded: str | None) -> str:
        """Host names have one hash each, like addresses."""
        found = self._hashes.get((address, forwarded))
        if found is None:
            if len(self._hashes) >= REMEMBERED:
                self._hashes.clear()
            found = self._hashes[address, forwarded] = self._hash(address, forwarded)
        return found

    def _hash(self, address: str, forwarded: str | None) -> str:
        client = address if forwarded is None else self._behind_proxies(address, forwarded)
        return hash_ip(UNKNOWN if client in ("", "-", UNKNOWN) else client_address(client))

    def _behind_proxies(self, peer: str, forwarded: str) -> str:
        if peer and (not is_trusted(peer, self._proxies) or forwarded in ("", "-")):
            return peer
        client = UNKNOWN
        for hop in reversed(forwarded.split(",")):
            address = parse_address(hop)
            if address is None:  # what stands left of it was written by whoever sent it
                return UNKNOWN
            client = address
            if not is_trusted(address, self._proxies):
                break
        return client
