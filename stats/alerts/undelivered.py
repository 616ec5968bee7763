"""Why a message did not arrive."""

from __future__ import annotations


class Undelivered(Exception):
    """An attempt failed; the message says why, for the person who repairs it. It is tried again."""
