"""Sessions in the database, which is not asked for a key that no session has."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.base import VALID_KEY_CHARS
from django.contrib.sessions.backends.db import SessionStore as DjangoSessionStore

KEY_CHARACTERS = frozenset(VALID_KEY_CHARS)


class SessionStore(DjangoSessionStore):
    """A cookie in quotes may hold a NUL; PostgreSQL refuses even to compare with it, which would be a 500."""

    def _validate_session_key(self, key: Any) -> bool:
        is_one = bool(super()._validate_session_key(key))  # type: ignore[misc]  # the stubs lack it
        return is_one and KEY_CHARACTERS.issuperset(key)
