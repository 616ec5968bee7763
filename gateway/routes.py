"""The route of a request: what rollups group by.

The matched URL pattern where it says something; otherwise the path with its id-like segments replaced,
so that `/orders/1` and `/orders/2` are one row and a scanner does not make a row for each guess.
"""

from __future__ import annotations

import re
from functools import lru_cache

from gateway.conf import conf
from gateway.events import MAX_ROUTE, storable

PLACEHOLDER = "{id}"
NOT_FOUND = "(not found)"

# A pattern that takes any rest of the path groups nothing.
_CATCH_ALL = re.compile(r"<path:|\.[*+]")

_ID_LIKE = re.compile(
    r"""
      [0-9]+                                                            # 123
    | [0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}      # UUID
    | (?=[0-9a-f]*[0-9])[0-9a-f]{16,}                                   # hashes, long hex
    | [0-9]{4}-[0-9]{2}-[0-9]{2}                                        # dates
    | [0-7][0-9A-HJKMNP-TV-Z]{25}                                       # ULID
    """,
    re.VERBOSE | re.IGNORECASE,
)


def route_of(path: str, pattern: str | None, status: int = 200) -> str:
    """The route to count a request under; `pattern` is of the URL that matched, None where nothing did.

    What was answered with 404 and matched no pattern of its own is one route: the path is the client's
    invention.
    """
    if pattern and (route := route_of_pattern(pattern)):
        return route
    if status == 404 and conf.group_not_found:
        return NOT_FOUND
    return storable(normalize_path(path) if conf.normalize_ids else path, MAX_ROUTE)


@lru_cache(maxsize=1024)
def route_of_pattern(pattern: str) -> str | None:
    """A path() or re_path() pattern as one path: a leading slash, no anchors. None if it takes any rest."""
    if _CATCH_ALL.search(pattern):
        return None
    without_anchors = re.sub(r"(^|/)\^", r"\1", pattern).replace(r"\Z", "").rstrip("$")
    return storable("/" + without_anchors.lstrip("/"), MAX_ROUTE)


def normalize_path(path: str) -> str:
    """The path with each id-like segment replaced by `{id}`."""
    if not any(char.isdigit() for char in path):
        return path
    return "/".join(PLACEHOLDER if _ID_LIKE.fullmatch(segment) else segment for segment in path.split("/"))
