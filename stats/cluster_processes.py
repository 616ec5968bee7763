"""The processes of a django-q2 cluster, seen from outside: guard, leader, sentinel, and the sentinel's own.

The sentinel keeps its workers, a pusher and a monitor, and makes a new one for each that dies. Nobody does
that for one that was stopped, nor for the sentinel itself, and a new one may wait for ever on a lock that
the dead one held.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from django_q.conf import Conf

from gateway.processes import stat_fields

Member = tuple[int, int]  # process id, and when it was started (the kernel's ticks): ids are used again

BESIDE_WORKERS = 4  # leader, sentinel, pusher, monitor
UNSOUND = "TXZ"  # stopped, dead, a zombie
STATE, GROUP, STARTED = 0, 2, 19  # fields of /proc/PID/stat behind the command's name


def expected() -> int:
    """How many processes a whole cluster has."""
    return int(Conf.WORKERS) + BESIDE_WORKERS


def sound_members(guard: int) -> frozenset[Member]:
    """The living, running processes of the cluster below the process `guard`."""
    found: set[Member] = set()
    for leader in _children(guard):
        # The guard inherits orphans, too; the leader alone leads a group.
        if (fields := stat_fields(leader)) and int(fields[GROUP]) == leader:
            for pid in _family(leader):
                if (member := stat_fields(pid)) and member[STATE] not in UNSOUND:
                    found.add((pid, int(member[STARTED])))
    return frozenset(found)


def _family(leader: int) -> list[int]:
    """The leader, its sentinel and the sentinel's children; not what a task may have started."""
    sentinels = _children(leader)
    return [leader, *sentinels, *(pid for sentinel in sentinels for pid in _children(sentinel))]


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it may end while it is looked at
            found += map(int, task.read_text().split())
    return found
