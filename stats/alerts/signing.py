"""The signature of a webhook's message: who has the secret can tell that it is ours, and new."""

from __future__ import annotations

import hashlib
import hmac
import secrets

SCHEME = "v1="
TOLERANCE = 300  # seconds that a receiver's clock may differ, or a message be under way
BEGINNING = "tgw_"


def make_secret() -> str:
    """256 random bits."""
    return BEGINNING + secrets.token_urlsafe(32)


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256 of `timestamp.body`, in hexadecimal, after the name of the scheme."""
    message = str(timestamp).encode() + b"." + body
    return SCHEME + hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def verify(secret: str, timestamp: str, body: bytes, signature: str, now: float) -> bool:
    """Whether the headers of a message are right: made with this secret, of this body, lately.

    What a receiver does; `docs/alerts.md` has it without Tallygate. Takes as long wherever they differ.
    """
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    if abs(now - int(timestamp)) > TOLERANCE:
        return False
    return hmac.compare_digest(sign(secret, int(timestamp), body).encode(), signature.encode())
