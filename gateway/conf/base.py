"""How a setting is read: late, and once until one changes."""

from __future__ import annotations

from typing import Any

from django.conf import settings


class Settings:
    """The base of a group of settings, one property each."""

    def forget(self) -> None:
        """Has everything read anew."""
        self.__dict__.clear()

    @staticmethod
    def _get(name: str, default: Any) -> Any:
        return getattr(settings, name, default)
