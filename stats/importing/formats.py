"""Which format a log has: named, spelled out, or the known one that reads most of its first lines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product

from stats.importing.line_format import LineFormat
from stats.importing.notation import BadFormat

SAMPLE_LINES = 200  # that are tried

_COMMON = '$ident $remote_user [$time_local] "$request" $status $body_bytes_sent'
_COMBINED = f'{_COMMON} "$http_referer" "$http_user_agent"'
_MAIN = f'{_COMBINED} "$http_x_forwarded_for"'

# Of two that read as many lines the earlier is taken, so what demands more of a line stands first.
_BEGINNINGS = {
    "virtual host and port, ": "$host:$server_port $peer ",
    "X-Forwarded-For, ": "$http_x_forwarded_for $peer ",
    "virtual host, ": "$host $peer ",
    "": "$peer ",
    "X-Forwarded-For instead of the address, ": "$http_x_forwarded_for ",
}
_ENDINGS = {
    "common": _COMMON,
    "combined": _COMBINED,
    "combined, seconds": f"{_COMBINED} $decimal_seconds",
    "combined, microseconds": f"{_COMBINED} $microseconds",
    "combined, X-Forwarded-For": _MAIN,
    "combined, X-Forwarded-For, seconds": f"{_MAIN} $decimal_seconds",
    "common, seconds": f"{_COMMON} $decimal_seconds",
    "common, microseconds": f"{_COMMON} $microseconds",
    "combined, other fields": f"{_COMBINED} $rest",
}
NAMED = {
    "common": f"$remote_addr {_COMMON}",
    "combined": f"$remote_addr {_COMBINED}",
    "vhost_combined": f"$host:$server_port $remote_addr {_COMBINED}",
    "main": f"$remote_addr {_MAIN}",
}


def named_or_compiled(text: str) -> LineFormat:
    """The format of that name, or the one that the string spells out. Raises BadFormat."""
    return LineFormat(NAMED[text], text) if text in NAMED else LineFormat(text)


def detect(lines: Sequence[bytes]) -> LineFormat:
    """The known format that reads most of these lines. Raises BadFormat if it reads less than half."""
    found, best = _known()[-1], 0
    for candidate in _known():
        fitting = sum(map(candidate.fits, lines))
        if fitting > best:
            found, best = candidate, fitting
        if best == len(lines):
            break
    if best * 2 < len(lines):
        raise BadFormat("in no format that is known by itself; --format can say what the lines look like")
    return found


@lru_cache(maxsize=1)
def _known() -> tuple[LineFormat, ...]:
    return tuple(
        LineFormat(beginning + ending, before + after)
        for (before, beginning), (after, ending) in product(_BEGINNINGS.items(), _ENDINGS.items())
    )
