"""Secrets that nobody has to choose: made once, and kept where only this user can read them."""

from __future__ import annotations

import secrets
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=16)
def kept_key(path: Path) -> str:
    """The secret in `path` (0600 in a 0700 folder), made on first use.

    Two processes may start at once: the file appears whole by `link`, which one of them wins, and the
    other reads the winner's.
    """
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(secrets.token_urlsafe(48))
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text().strip()
