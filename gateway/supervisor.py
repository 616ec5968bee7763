"""Keeps the web server and the task queue running, and ends them in order.

Each runs below a guard (`process_group`). A service may have a watch, which says when a group that still
runs must be ended and started again. Django isn't needed here: what is particular to Tallygate comes in as
services, their watches and `tick`.
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
from typing import Protocol

from gateway import priority
from gateway.processes import Doze, adopt_orphans, children, die_with_parent, reap_orphans, signal_group
from gateway.starts import Cause, Start

logger = logging.getLogger(__name__)

# Between two looks, at most; a signal, or the end of a child, wakes it before.
LOOK_SECONDS, STARTING_LOOK_SECONDS = 1.0, 0.2
FIRST_BACKOFF, LAST_BACKOFF = 0.5, 10.0
STEADY = 5.0  # seconds after which a service that ends is started again without backoff
GUARD_SECONDS = 15.0  # what a guard may need beyond its service's own grace
APART = 0.2  # two signals that come at once are one
STRAY_SECONDS = 10.0  # what the descendants of a killed guard get for ending by themselves
STOPPED, GAVE_UP = 0, 3  # exit codes; 2 is a mistake in the configuration, 1 one in this program


class Watch(Protocol):
    """Judges whether a group that runs does its work."""

    def began(self, guard: int) -> None:
        """A new group runs below the process `guard`."""

    def problem(self) -> str | None:
        """Why the group must be ended and started again, or None. Called some times a second."""

    def is_blameless(self) -> bool:
        """Whether the group has worked since it began, or could not have, through no fault of its own."""


@dataclass
class Service:
    """One command that is to run, and what is known of it."""

    name: str
    command: Sequence[str]
    grace: float = 15.0
    watch: Watch | None = None
    nice: int = 0  # of its processes; above 0 others come first where the CPU is short
    most_failures: float = float("inf")  # ends in a row without having worked, after which to give up
    guard: subprocess.Popen[bytes] | None = field(default=None, init=False)
    started: float = field(default=0.0, init=False)
    next_start: float = field(default=0.0, init=False)
    backoff: float = field(default=FIRST_BACKOFF, init=False)
    failures: int = field(default=0, init=False)
    why: Start = field(default=Start(), init=False)  # of the next start, or of the last one while it runs

    @property
    def is_starting(self) -> bool:
        """Whether it does not run, or only just."""
        return self.guard is None or time.monotonic() - self.started < STEADY

    @property
    def is_hopeless(self) -> bool:
        """Whether another start would be one too many."""
        return self.failures >= self.most_failures

    def start(self) -> None:
        """Start it below a guard that ends it when this process dies."""
        command = [sys.executable, "-m", "gateway.process_group", str(self.grace), *self.command]
        self.guard = subprocess.Popen(  # noqa: S603 - our own module
            command,
            cwd=Path(__file__).resolve().parent.parent,
            env={**os.environ, **self.why.told()},
            stdin=subprocess.DEVNULL,
            # Ctrl-C in the terminal is for the supervisor, which ends the services in order.
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )
        # At once: what the guard starts has it from the guard.
        priority.lower(self.guard.pid, self.nice)
        self.started = time.monotonic()
        if self.watch is not None:
            self.watch.began(self.guard.pid)

    def look_after(self, now: float) -> None:
        """Start it if it doesn't run and its backoff is over; end it if its watch says so."""
        if self.guard is None:
            if now >= self.next_start and not self.is_hopeless:
                self.start()
        elif (status := self.guard.poll()) is not None:
            self.guard = None
            self.why = Start(Cause.ENDED, f"{self.name} ended with {status}")
            self._put_off(f"ended with {status}")
        elif self.watch is not None and (problem := self.watch.problem()):
            logger.error("%s is ended: %s", self.name, problem)
            # In haste: what hangs does not listen, and a worker may die at any point without harm.
            self.stop(lambda: True)
            self.why = Start(Cause.RESTARTED, problem)
            self._put_off("was ended")

    def _put_off(self, what: str) -> None:
        """Plan the next start."""
        now = time.monotonic()
        steady = now - self.started > STEADY
        if self.watch is None or self.watch.is_blameless():
            self.failures = 0
        else:
            self.failures += 1
            steady = False
        if steady:
            self.backoff = FIRST_BACKOFF
        self.next_start = now + self.backoff
        logger.error("%s %s, next start in %.1f s", self.name, what, self.backoff)
        self.backoff = min(self.backoff * 2, LAST_BACKOFF)

    def stop(self, hurried: Callable[[], bool]) -> None:
        """End the whole group; returns when it is gone. `hurried` says whether to shorten the wait."""
        guard, self.guard = self.guard, None
        if guard is None:
            return
        guard.terminate()
        asked = time.monotonic()
        deadline = asked + self.grace + GUARD_SECONDS
        told = False
        while guard.poll() is None:
            if hurried() and not told and time.monotonic() - asked > APART:
                guard.terminate()
                told = True
            if time.monotonic() > deadline:
                guard.kill()
            time.sleep(0.05)


class Supervisor:
    """Runs services until SIGTERM, SIGINT or SIGHUP; a second signal makes the end quicker.

    `spare` names adopted processes that are others' to end.
    """

    def __init__(
        self,
        services: Sequence[Service],
        tick: Callable[[], None] = lambda: None,
        spare: Callable[[], Collection[int | None]] = tuple,
    ) -> None:
        self.services = services
        self.tick = tick
        self.spare = spare
        self.signals = 0
        self.strays: dict[int, float] = {}
        # Before anything is started: what loses its parent is then ours to end and to reap.
        adopt_orphans()

    def run(self) -> int:
        """Start everything, look after it, and end it in the given order.

        Returns STOPPED after a signal, GAVE_UP when a service is hopeless.
        """
        for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(signum, self._asked)
        try:
            with Doze() as doze:
                while not self.signals:
                    if not self._look_after_all():
                        return GAVE_UP
                    starting = any(service.is_starting for service in self.services)
                    doze.sleep(STARTING_LOOK_SECONDS if starting else LOOK_SECONDS)
        finally:
            self.stop()
        return STOPPED

    def _look_after_all(self) -> bool:
        """One look at everything; False if a service is hopeless."""
        for service in self.services:
            service.look_after(time.monotonic())
            if service.is_hopeless:
                logger.critical("%s failed %d times in a row", service.name, service.failures)
                return False
        reap_orphans(self._guards())
        self._end_strays(time.monotonic())
        self.tick()
        return True

    def stop(self) -> None:
        """The web server first: what it captured last still finds a consumer."""
        for service in self.services:
            logger.info("stopping %s", service.name)
            service.stop(lambda: self.signals > 1)

    def _asked(self, signum: int, frame: object) -> None:
        self.signals += 1

    def _guards(self) -> set[int]:
        return {service.guard.pid for service in self.services if service.guard is not None}

    def _end_strays(self, now: float) -> None:
        """Kill, with its group, what a killed guard left behind and what does not end by itself."""
        strays = set(children()) - self._guards()
        if strays:
            strays.difference_update(pid for pid in self.spare() if pid is not None)
        self.strays = {pid: self.strays.get(pid, now) for pid in strays}
        for pid, since in self.strays.items():
            if now - since > STRAY_SECONDS:
                logger.warning("killing process %s, which a killed guard left behind", pid)
                with suppress(ProcessLookupError):
                    if os.getpgid(pid) == pid:
                        signal_group(pid, signal.SIGKILL)
                    else:
                        os.kill(pid, signal.SIGKILL)


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
