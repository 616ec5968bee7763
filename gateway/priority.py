"""Who may wait for the CPU when there is not enough for all: the worker, not a request."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

TRIES = 5
PAUSE_SECONDS = 0.12  # the kernel takes one such change in 0.1 s from all who are not root


def lower(pid: int, nice: int) -> None:
    """Gives a process, and what it starts from then on, this niceness, unless it has a higher one.

    Linux compares niceness within one session only, and beside that the sessions with each other
    (`sched_autogroup_enabled`, on by default). So where the process leads its session, that one is lowered,
    too. Where the kernel does not allow or know it, everything works as before.
    """
    with suppress(OSError, LookupError, ValueError):
        os.setpriority(os.PRIO_PROCESS, pid, max(nice, os.getpriority(os.PRIO_PROCESS, pid)))
        if os.getsid(pid) == pid and nice > 0:
            _lower_session(pid, nice)


def _lower_session(pid: int, nice: int) -> None:
    group = Path(f"/proc/{pid}/autogroup")
    if int(group.read_text().split()[-1]) >= nice:  # "/autogroup-25 nice 0"
        return
    for _ in range(TRIES):
        try:
            group.write_text(str(nice))
            return
        except BlockingIOError:
            time.sleep(PAUSE_SECONDS)
