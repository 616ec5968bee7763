"""Requests that survive what a client may write into two headers and Django's own do not.

Both would be a 500: the first before any middleware, and so uncounted, the second wherever a session is
asked for.
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.utils.functional import cached_property


class Tolerant:
    """Mixed into Django's request classes, before them."""

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        """A charset that decodes no text (`hex`, `idna`) is none.

        Django reads the query string for it; too many fields in there are told to who asks for them.
        """
        try:
            super()._set_content_type_params(meta)  # type: ignore[misc]
        except (LookupError, UnicodeError, SuspiciousOperation):
            self._encoding = None

    @cached_property
    def COOKIES(self) -> dict[str, str]:  # noqa: N802 - Django's name
        """Without those that hold a NUL: a quoted cookie can escape one, PostgreSQL's text can't hold it."""
        cookies: dict[str, str] = super().COOKIES  # type: ignore[misc]
        return {name: value for name, value in cookies.items() if "\x00" not in name + value}
