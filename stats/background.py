"""Starts long work beside the worker: one process a command, at most one of each on this host.

The one worker counts; whatever takes longer than a moment must not hold it up.
"""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys

from gateway.conf import conf

logger = logging.getLogger(__name__)

# Kept until they are reaped: by the next start, or with this process by its parent.
_running: list[subprocess.Popen[bytes]] = []


def start(command: str, *arguments: str, alone_as: str = "") -> bool:
    """Starts `manage.py COMMAND` with these arguments and returns at once; False if the last one still runs.

    That is the last one of the same command, or of the name it is to be `alone_as`. Raises OSError where no
    process can be started.
    """
    _running[:] = [process for process in _running if process.poll() is None]
    folder = conf.var_dir / "background"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(folder / f"{alone_as or command}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The child holds the lock as long as it lives, however it ends.
        process = subprocess.Popen(  # noqa: S603 (our own commands)
            [sys.executable, "-m", "django", command, *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdin=subprocess.DEVNULL,
            pass_fds=[lock],
        )
    except BlockingIOError:
        logger.info("Not started, the last one still runs: %s", command)
        return False
    finally:
        os.close(lock)
    _running.append(process)
    logger.info("Started: %s | Process: %d", command, process.pid)
    return True
