r"""What nginx's variables and Apache's directives mean: the pattern of each, and which part of a line it is.

A field without a role is read over. An unquoted field holds no blank, but for a user's name and a list of
addresses; between quotation marks anything may stand, escaped as both servers do it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.accesslog.parse import TIME

# Milliseconds in one unit of a duration.
SECONDS, MILLISECONDS, MICROSECONDS = 1000.0, 1.0, 0.001

_WORD = rb"\S+"
_NUMBER = rb"\d{1,18}|-"
_DECIMAL = rb"\d{1,9}(?:\.\d{1,9})?|-"
# The name of a host has no comma: that of a list's first address has one.
_NAME = rb"[^\s,]+"
# Possessive, so that a hostile line costs no second look at any of it.
_IN_LIST = rb"(?:-|unknown|(?=[0-9A-Fa-f]*+[.:])[0-9A-Fa-f.:]++)"
_ISO_TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:Z|[+-]\d\d:?\d\d)"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a field is. `role` is a name of `line_format.ROLES`, or empty where the field is not needed."""

    role: str = ""
    pattern: bytes = _WORD
    unit: float = 0.0  # of a duration, in ms
    clock: str = ""  # of a time: `log`, `iso`, or the unit of a number since the epoch


IGNORED = Meaning()
ADDRESS = Meaning("address", _NAME)
FORWARDED = Meaning("forwarded", _IN_LIST + rb"(?:, ?" + _IN_LIST + rb")*+")
USER = Meaning("", rb".+?")
LOG_TIME = Meaning("time", TIME, clock="log")
ISO_TIME = Meaning("time", _ISO_TIME, clock="iso")
REQUEST = Meaning("request")
METHOD, TARGET = Meaning("method"), Meaning("target")
PATH, QUERY = Meaning("target", rb"[^\s?]+"), Meaning("", rb"(?:\?\S*)?")
STATUS, SIZE = Meaning("status", rb"\d{3}"), Meaning("size", _NUMBER)
USER_AGENT = Meaning("user_agent")
HOST, PORT = Meaning("host", rb"[^\s,:]+|\[[0-9A-Fa-f:.]+\]"), Meaning("", rb"\d+")
# Several upstreams are written `0.1, 0.2 : 0.3`.
_UPSTREAM = Meaning("", rb"\S+(?:(?:, | : )\S+)*")


def _since_epoch(unit: str) -> Meaning:
    return Meaning("time", rb"\d{1,16}\.\d{3}" if unit == "decimal" else rb"\d{1,16}", clock=unit)


def _duration(unit: float, pattern: bytes = _NUMBER) -> Meaning:
    return Meaning("duration", pattern, unit=unit)


_NGINX: Mapping[str, Meaning] = {
    "remote_addr": ADDRESS,
    "http_x_forwarded_for": FORWARDED,
    "proxy_add_x_forwarded_for": FORWARDED,
    "remote_user": USER,
    "time_local": LOG_TIME,
    "time_iso8601": ISO_TIME,
    "msec": _since_epoch("decimal"),
    "request": REQUEST,
    "request_method": METHOD,
    "request_uri": TARGET,
    "uri": TARGET,
    "document_uri": TARGET,
    "status": STATUS,
    "body_bytes_sent": SIZE,
    "bytes_sent": SIZE,
    "http_user_agent": USER_AGENT,
    "request_time": _duration(SECONDS, _DECIMAL),
    "host": HOST,
    "http_host": Meaning("host", _NAME),
    "server_name": HOST,
    # No variables of nginx: the formats that are tried in turn (`formats`) need them.
    "peer": Meaning("address", rb"(?!- )" + _NAME),
    "decimal_seconds": _duration(SECONDS, rb"\d{1,9}\.\d{1,9}"),
    "microseconds": _duration(MICROSECONDS, rb"\d{1,18}"),
    "rest": Meaning("", rb".*"),
}

_APACHE: Mapping[str, Meaning] = {
    "h": ADDRESS,
    "a": ADDRESS,
    "u": USER,
    "t": LOG_TIME,
    "r": REQUEST,
    "m": METHOD,
    "U": PATH,
    "q": QUERY,
    "s": STATUS,
    "b": SIZE,
    "B": SIZE,
    "O": SIZE,
    "D": _duration(MICROSECONDS),
    "T": _duration(SECONDS),
    "v": HOST,
    "V": HOST,
    "p": PORT,
}

_APACHE_WITH_ARGUMENT: Mapping[tuple[str, str], Meaning] = {
    ("c", "a"): ADDRESS,
    ("x-forwarded-for", "i"): FORWARDED,
    ("user-agent", "i"): USER_AGENT,
    ("host", "i"): Meaning("host", _NAME),
    ("sec", "t"): _since_epoch("sec"),
    ("msec", "t"): _since_epoch("msec"),
    ("usec", "t"): _since_epoch("usec"),
    ("%d/%b/%y:%h:%m:%s %z", "t"): LOG_TIME,
    ("%y-%m-%dt%h:%m:%s%z", "t"): ISO_TIME,
    ("s", "T"): _duration(SECONDS),
    ("ms", "T"): _duration(MILLISECONDS),
    ("us", "T"): _duration(MICROSECONDS),
}


def nginx(name: str) -> Meaning:
    """What `$name` means."""
    return _UPSTREAM if name.startswith("upstream_") else _NGINX.get(name, IGNORED)


def apache(argument: str | None, directive: str) -> Meaning:
    """What `%{argument}directive` means. Raises ValueError for a time that can't be read."""
    if argument is None:
        return _APACHE.get(directive, IGNORED)
    plain = re.sub(r"^(begin|end):", "", argument).lower()
    found = _APACHE_WITH_ARGUMENT.get((plain, directive))
    if found is None and directive == "t":
        raise ValueError(f"%{{{argument}}}t: times are read as %t, %{{sec}}t, %{{msec}}t or %{{usec}}t")
    return found or IGNORED
