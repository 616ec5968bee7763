"""Keeps the web server and the task queue running, and ends them in order.

Each runs below a guard (`process_group`). Django isn't needed here: what is particular to Tallygate
comes in as services and as `tick`.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from gateway.processes import adopt_orphans, children, die_with_parent, reap_orphans

logger = logging.getLogger(__name__)

POLL = 0.2
FIRST_BACKOFF, LAST_BACKOFF = 0.5, 10.0
STEADY = 10.0  # seconds after which a service that ends is started again without backoff
GUARD_SECONDS = 15.0  # what a guard may need beyond its service's own grace


@dataclass
class Service:
    """One command that is to run, and what is known of it."""

    name: str
    command: Sequence[str]
    grace: float = 15.0
    guard: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started: float = field(default=0.0, init=False)
    next_start: float = field(default=0.0, init=False)
    backoff: float = field(default=FIRST_BACKOFF, init=False)

    def start(self) -> None:
        """Start it below a guard that ends it when this process dies."""
        command = [sys.executable, "-m", "gateway.process_group", str(self.grace), *self.command]
        self.guard = subprocess.Popen(  # noqa: S603 - our own module
            command,
            cwd=Path(__file__).resolve().parent.parent,
            stdin=subprocess.DEVNULL,
            # Ctrl-C in the terminal is for the supervisor, which ends the services in order.
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        self.started = time.monotonic()

    def watch(self, now: float) -> None:
        """Start it if it doesn't run and its backoff is over."""
        if self.guard is not None and (status := self.guard.poll()) is not None:
            self.guard = None
            if now - self.started > STEADY:
                self.backoff = FIRST_BACKOFF
            self.next_start = now + self.backoff
            logger.error("%s ended with %s, next start in %.1f s", self.name, status, self.backoff)
            self.backoff = min(self.backoff * 2, LAST_BACKOFF)
        if self.guard is None and now >= self.next_start:
            self.start()

    def stop(self, hurried: Callable[[], bool]) -> None:
        """End the whole group; returns when it is gone. `hurried` says whether to shorten the wait."""
        guard, self.guard = self.guard, None
        if guard is None:
            return
        guard.terminate()
        deadline = time.monotonic() + self.grace + GUARD_SECONDS
        told = False
        while guard.poll() is None:
            if hurried() and not told:
                guard.terminate()
                told = True
            if time.monotonic() > deadline:
                guard.kill()
            time.sleep(0.05)

    def restart(self) -> None:
        """End the group and start it again."""
        self.stop(lambda: False)
        self.start()


class Supervisor:
    """Runs services until SIGTERM, SIGINT or SIGHUP; a second signal makes the end quicker."""

    def __init__(self, services: Sequence[Service], tick: Callable[[], None] = lambda: None) -> None:
        self.services = services
        self.tick = tick
        self.signals = 0
        # Before anything is started: what loses its parent is then ours to end and to reap.
        adopt_orphans()

    def run(self) -> int:
        """Start everything, look after it, and end it in the given order. Returns the exit code."""
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, self._asked)
        try:
            while not self.signals:
                for service in self.services:
                    service.watch(time.monotonic())
                reap_orphans(self._guards())
                self.tick()
                time.sleep(POLL)
        finally:
            self.stop()
        return 0

    def stop(self) -> None:
        """The web server first: what it captured last still finds a consumer."""
        for service in self.services:
            logger.info("stopping %s", service.name)
            service.stop(lambda: self.signals > 1)

    def _asked(self, signum: int, frame: object) -> None:
        self.signals += 1

    def _guards(self) -> set[int]:
        return {service.guard.pid for service in self.services if service.guard is not None}


def end_orphans(spare: Callable[[], Collection[int | None]], seconds: float = 5.0) -> None:
    """Kill what is left of the descendants (a killed guard's, say), but for those that `spare` names."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        reap_orphans(())
        left = [pid for pid in children() if pid not in spare()]
        if not left:
            return
        for pid in left:
            logger.warning("killing process %s, which was left behind", pid)
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
