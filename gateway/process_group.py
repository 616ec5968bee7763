"""A guard: runs one command as a process group of its own and leaves none of the group behind.

`python -m gateway.process_group SECONDS COMMAND…`. The guard passes SIGTERM on to the command alone (a
django-q2 cluster and a gunicorn stop their children themselves), waits SECONDS, then kills the group.
The kernel sends it that SIGTERM, too, when its supervisor is killed; so a whole tree ends even though
nobody is left to end it. A second SIGTERM shortens the wait. Its exit status is the command's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from gateway.processes import Doze, adopt_orphans, die_with_parent, reap_orphans, signal_group

POLL = 0.05  # seconds, while it ends the group
LOOK_SECONDS = 5.0  # at the latest; what happens wakes it before
HURRIED_SECONDS = 1.0
# What is left of a group whose leader has died may still want to flush.
ORPHAN_SECONDS = 5.0


class Guard:
    """One command, its group, and the signals asked of them."""

    def __init__(self, command: list[str], seconds: float) -> None:
        self.requests = 0
        self.seconds = seconds
        # Handlers, not SIG_IGN: what is ignored would stay ignored in the command.
        signal.signal(signal.SIGTERM, self._request)
        for ignored in (signal.SIGINT, signal.SIGHUP):
            signal.signal(ignored, lambda signum, frame: None)
        adopt_orphans()
        self.command = command

    def run(self) -> int:
        """Start the command, wait for its end, asked for or not, then clear the group away."""
        with Doze() as doze:
            self.leader = subprocess.Popen(  # noqa: S603 - what the supervisor asks for
                self.command, process_group=0, preexec_fn=die_with_parent(signal.SIGTERM)
            )
            self._wait(doze)
        if self.leader.poll() is None:
            signal_group(self.leader.pid, signal.SIGKILL)
        status = self.leader.wait()
        self._clear()
        return status if status >= 0 else 128 - status

    def _wait(self, doze: Doze) -> None:
        """Until the command has ended, or its time for that is over."""
        stop_at = float("inf")
        seen = 0
        while self.leader.poll() is None and time.monotonic() < stop_at:
            if self.requests > seen:
                # Two that came between two looks are two.
                hurried = self.requests > 1
                seen = self.requests
                self.leader.terminate()
                wait = HURRIED_SECONDS if hurried else self.seconds
                stop_at = min(stop_at, time.monotonic() + wait)
            reap_orphans({self.leader.pid})
            doze.sleep(min(LOOK_SECONDS, stop_at - time.monotonic()))

    def _request(self, signum: int, frame: object) -> None:
        self.requests += 1

    def _clear(self) -> None:
        """Ask, then kill, what the leader left in its group."""
        signal_group(self.leader.pid, signal.SIGTERM)
        kill_at = time.monotonic() + (HURRIED_SECONDS if self.requests > 1 else ORPHAN_SECONDS)
        while self._group_lives():
            if time.monotonic() > kill_at:
                signal_group(self.leader.pid, signal.SIGKILL)
            time.sleep(POLL)

    def _group_lives(self) -> bool:
        reap_orphans(())
        try:
            os.killpg(self.leader.pid, 0)
        except ProcessLookupError:
            return False
        return True


if __name__ == "__main__":
    sys.exit(Guard(sys.argv[2:], float(sys.argv[1])).run())
