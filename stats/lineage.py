"""The workers of one cluster, one after another: what each can know of the one before it.

The sentinel makes a new worker for each that is gone, and says nothing to it. So they share a piece of
memory, which whoever is forked later finds as the one before left it, however that one ended.
"""

from __future__ import annotations

import mmap
import os
import struct

from django_q.conf import Conf

from gateway.starts import Cause, Start

_CONTENT = struct.Struct("qq")  # process id of the worker, tasks it has begun


class Lineage:
    """Made before the first fork. For clusters of one worker; more would take each other for ended ones."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _CONTENT.size)  # anonymous and shared: a child writes to the same

    def succeed(self) -> Start | None:
        """This process is the worker from now on; what became of the one before, None for the first."""
        pid, tasks = _CONTENT.unpack_from(self._memory)
        _CONTENT.pack_into(self._memory, 0, os.getpid(), 0)
        if not pid:
            return None
        if tasks == Conf.RECYCLE:
            return Start(Cause.RECYCLED)
        return Start(Cause.ENDED, f"worker process {pid} was gone after {tasks:,} tasks")

    def count_task(self) -> None:
        """The worker begins one more task."""
        pid, tasks = _CONTENT.unpack_from(self._memory)
        _CONTENT.pack_into(self._memory, 0, pid, tasks + 1)
