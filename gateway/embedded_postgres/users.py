"""Who uses the embedded PostgreSQL: each using process holds `users.lock` shared, for all of its life.

The kernel drops the lock however the process ends, so nobody has to sign off; a fork inherits it.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

from gateway.embedded_postgres.files import EmbeddedPostgresError, Files
from gateway.processes import try_lock

_memberships: dict[Path, int] = {}


def become_user(files: Files, deadline: float) -> None:
    """Hold the shared lock; a keeper that is just ending holds it exclusively and is waited for."""
    if files.root in _memberships:
        return
    files.make_root()
    try:
        descriptor = try_lock(files.users_lock, fcntl.LOCK_SH, max(0.0, deadline - time.monotonic()))
    except OSError as error:
        raise EmbeddedPostgresError(f"VAR_DIR: cannot open {files.users_lock}: {error.strerror}") from None
    if descriptor is None:
        raise EmbeddedPostgresError(f"the keeper of {files.root} is ending and does not end")
    _memberships[files.root] = descriptor


def has_users(files: Files) -> bool:
    """Whether somebody holds the lock shared; the keeper, at its end, holds it exclusively."""
    descriptor = try_lock(files.users_lock, fcntl.LOCK_SH)
    if descriptor is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def resign(files: Files) -> bool:
    """Give up this process's share; whether it had one."""
    descriptor = _memberships.pop(files.root, None)
    if descriptor is not None:
        os.close(descriptor)
    return descriptor is not None
