"""The admin's log-in and its downloads."""

from __future__ import annotations

from functools import cached_property

from gateway.conf.base import Settings


class PageSettings(Settings):
    """One property a setting; the README's table says what it means."""

    @cached_property
    def login_tries(self) -> int:
        """`LOGIN_TRIES`: failed log-ins of one account from one client before the first wait."""
        return int(self._get("LOGIN_TRIES", 5))

    @cached_property
    def login_longest_wait(self) -> float:
        """`LOGIN_LONGEST_WAIT`: seconds that who fails on and on has to wait at most."""
        return float(self._get("LOGIN_LONGEST_WAIT", 900))

    @cached_property
    def export_rows(self) -> int:
        """`EXPORT_ROWS`: rows of one downloaded file at most."""
        return int(self._get("EXPORT_ROWS", 200_000))

    @cached_property
    def export_seconds(self) -> float:
        """`EXPORT_SECONDS`: seconds after which a download ends, whole or not."""
        return float(self._get("EXPORT_SECONDS", 20.0))
