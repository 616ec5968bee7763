"""A line of an access log as an HTTP request: what names it, who sent it, and the answer it asks for."""

from __future__ import annotations

import hashlib
import ipaddress
import re
import string
from functools import lru_cache
from urllib.parse import quote

from gateway.accesslog.parse import LogLine

MAX_SIZE = 1_000_000  # bytes the endpoint answers with at most
MAX_NAME = 100  # characters of a file name in CF-Ray: the gateway cuts long request ids at their end

# What RFC 3986 lets stand in a path or a query, and the brackets that every server takes.
TARGET_SAFE = "%/?:@!$&'()*+,;=[]"
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")


def is_askable(status: int) -> bool:
    """Whether the test endpoint can answer with it: 1xx is no answer of its own."""
    return 200 <= status <= 599


def request_headers(line: LogLine, ray: str) -> dict[str, str | bytes]:
    """Who sent the line, which line it is, and the answer it had.

    All three wishes are always sent, so that the line's own query string is never taken for one.
    """
    headers: dict[str, str | bytes] = {
        "CF-Connecting-IP": client_address(line.address),
        "CF-Ray": f"{ray}:{line.number}",
        "X-Test-Status": str(line.status if is_askable(line.status) else 200),
        "X-Test-Size": str(min(line.size, MAX_SIZE)),
        "X-Test-Delay": "0",
    }
    if line.user_agent:
        headers["User-Agent"] = header_value(line.user_agent)
    return headers


def request_path(target: str) -> str:
    """The logged target as HTTP can carry it: as it is, but for what must be percent-encoded."""
    if not target.startswith("/"):
        # `OPTIONS *`, `CONNECT host:443`, or a whole address as proxies are asked.
        scheme, separator, rest = target.partition("://")
        target = "/" + (rest.partition("/")[2] if separator and scheme.isalpha() else target)
    return quote(target.encode("utf-8", "surrogateescape"), safe=TARGET_SAFE)


def header_value(text: str) -> bytes:
    """`text` as a header can carry it: control characters are escaped, as the log itself does it."""
    data = text.encode("utf-8", "surrogateescape")
    return _CONTROL.sub(lambda found: b"\\x%02X" % found[0][0], data)


@lru_cache(maxsize=4096)
def client_address(logged: str) -> str:
    """The logged address, or, for a host name, its own address in fd00::/8."""
    try:
        return str(ipaddress.ip_address(logged))
    except ValueError:
        digest = hashlib.sha256(logged.lower().encode("utf-8", "surrogateescape")).digest()
        return str(ipaddress.IPv6Address(b"\xfd" + digest[:15]))


def ray_prefix(name: str) -> str:
    """The file name as a header can carry it. A long one is cut, and told apart by a hash."""
    readable = quote(name, safe=string.punctuation + " ", errors="surrogateescape")
    if len(readable) <= MAX_NAME:
        return readable
    digest = hashlib.sha256(readable.encode()).hexdigest()[:16]
    return f"{readable[: MAX_NAME - len(digest) - 1]}~{digest}"
