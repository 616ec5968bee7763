"""Whether a SECRET_KEY is worth anything: who guesses it signs sessions, and what the worker unpickles."""

from __future__ import annotations

SHORTEST = 32  # characters
FEWEST = 5  # different characters
EXAMPLE = "django-insecure-"  # how `startproject` begins one
ADVICE = "`openssl rand -base64 48` makes one"


def weakness(key: str) -> str | None:
    """What is wrong with the key, without the key; None if nothing is seen."""
    if len(key) < SHORTEST:
        return f"has {len(key)} characters, at least {SHORTEST} are needed ({ADVICE})"
    if len(set(key)) < FEWEST:
        return f"has {len(set(key))} different characters only ({ADVICE})"
    if key.startswith(EXAMPLE):
        return f"is an example ({EXAMPLE}…), which is no secret ({ADVICE})"
    return None
