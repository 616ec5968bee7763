"""Ids that are the same for the same request, and the hash that stands for a client's address."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from typing import Any

from gateway.conf import conf

# [0-9], not \d, and \Z, not $: \d takes every script's digits and $ lets a newline through.
ID_PATTERN = r"^[0-9]{13}-[0-9a-f]{8}\Z"
_ID = re.compile(ID_PATTERN)

FIRST_TIMESTAMP = 10**12  # 2001-09-09T01:46:40Z, the first millisecond with 13 digits
LAST_TIMESTAMP = 10**13 - 1


def _own_sha256() -> Callable[[bytes], Any]:
    """Python's own SHA-256: OpenSSL's, which `hashlib` prefers, takes longer to set up than to use."""
    for module in ("_sha2", "_sha256"):  # since Python 3.12, and before
        with suppress(ImportError):
            return import_module(module).sha256
    return hashlib.sha256


_sha256 = _own_sha256()
_BLOCK = 64  # bytes of SHA-256's

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")


def generate_idempotent_id(timestamp: int, client_ip: str, path: str, request_id: str) -> str:
    """The id of a request: `{timestamp}-{first 8 hex digits of SHA-256("client_ip:path:request_id")}`.

    `timestamp` is in milliseconds since the epoch and has 13 digits. The middleware passes the hash of
    the client's address as `client_ip`: made from the address itself, an id would give it away to anyone
    who tries all 2^32 of them. Raises ValueError that names the argument.
    """
    if type(timestamp) is not int or not FIRST_TIMESTAMP <= timestamp <= LAST_TIMESTAMP:
        check_timestamp(timestamp)  # says what is wrong; called only then, since each event pays for a call
    try:
        material = ":".join((client_ip, path, request_id)).encode()
    except TypeError:
        raise ValueError(_no_string(client_ip=client_ip, path=path, request_id=request_id)) from None
    except UnicodeEncodeError as error:
        raise ValueError(f"{_unencodable(client_ip, path)}: not encodable as UTF-8: {error.reason}") from None
    if not request_id:
        raise ValueError("request_id: must not be empty")
    return f"{timestamp}-{_sha256(material).hexdigest()[:8]}"


def check_timestamp(timestamp: int) -> None:
    """Raises ValueError for what no id can begin with."""
    if type(timestamp) is not int:
        raise ValueError(f"timestamp: expected an integer of milliseconds, got {type(timestamp).__name__}")
    if not FIRST_TIMESTAMP <= timestamp <= LAST_TIMESTAMP:
        raise ValueError(f"timestamp: {timestamp} does not have 13 digits")


def _no_string(**values: object) -> str:
    """Which of these is no string."""
    name, value = next((name, value) for name, value in values.items() if not isinstance(value, str))
    return f"{name}: expected a string, got {type(value).__name__}"


def _unencodable(client_ip: str, path: str) -> str:
    """Which of the three arguments holds a lone surrogate."""
    for name, value in (("client_ip", client_ip), ("path", path)):
        if any("\ud800" <= char <= "\udfff" for char in value):
            return name
    return "request_id"


def is_valid_idempotent_id(candidate: object) -> bool:
    """Whether the whole of `candidate` is an id as `generate_idempotent_id` makes it."""
    return isinstance(candidate, str) and _ID.match(candidate) is not None


def extract_timestamp(candidate: object) -> int | None:
    """The milliseconds since the epoch that an id begins with; None if it is no id."""
    if not is_valid_idempotent_id(candidate):
        return None
    assert isinstance(candidate, str)
    return int(candidate[:13])


def id_prefix(moment: datetime) -> str:
    """How the ids of a moment begin: they are ordered as their times are."""
    return f"{round(moment.timestamp() * 1000):013d}"


def hash_ip(ip: str) -> str:
    """16 hex digits that stand for an address: HMAC-SHA256 under `CLIENT_HASH_KEY`.

    An address has one hash however it is written (IPv6 forms, IPv4-mapped IPv6, zone). What is no address
    is hashed as it is. Raises ValueError for a non-string.
    """
    if not isinstance(ip, str):
        raise ValueError(f"ip: expected a string, got {type(ip).__name__}")
    material = canonical_address(ip).encode("utf-8", "surrogatepass")
    key = conf.client_hash_key
    digest = _hmac_sha256(key.encode(), material) if key else _sha256(material)
    return str(digest.hexdigest()[:16])


def _hmac_sha256(key: bytes, message: bytes) -> Any:
    """HMAC (RFC 2104) with its key's half of the work done once."""
    inner, outer = (begun.copy() for begun in _begun(key))
    inner.update(message)
    outer.update(inner.digest())
    return outer


@lru_cache(maxsize=16)
def _begun(key: bytes) -> tuple[Any, Any]:
    block = (_sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return _sha256(bytes(byte ^ 0x36 for byte in block)), _sha256(bytes(byte ^ 0x5C for byte in block))


def is_plain_ipv4(text: str) -> bool:
    """Whether it is an IPv4 address in its one canonical spelling."""
    return _IPV4.fullmatch(text) is not None


def canonical_address(ip: str) -> str:
    """The one spelling of an address; what is no address comes back unchanged."""
    if is_plain_ipv4(ip):  # most are, and to look takes a tenth of the time
        return ip
    try:
        address = ipaddress.ip_address(ip.strip())
    except ValueError:
        return ip
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Address(int(address)))  # without its zone
    return str(address)
