"""Who asks, as the read path knows readers."""

from __future__ import annotations

from django.http import HttpRequest

from stats import read_from
from stats.models import ApiToken


def reader_of(request: HttpRequest) -> str:
    """The bearer of a token, or a user; `stats.api.authentication` has let them in."""
    known = getattr(request, "auth", None)
    if isinstance(known, ApiToken):
        return read_from.of_token(known.name)
    return read_from.of_user(request.user.get_username())
