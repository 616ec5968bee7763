"""A watcher's sleep ends when something happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

from gateway.processes import Doze

LONG = 20.0  # seconds; whoever sleeps them has missed something


def test_the_end_of_a_child_ends_the_sleep():
    with Doze() as doze:
        child = subprocess.Popen([sys.executable, "-c", ""])
        began = time.monotonic()
        doze.sleep(LONG)
        assert time.monotonic() - began < LONG / 2
        assert child.wait(LONG) == 0


def test_a_signal_that_came_just_before_ends_the_sleep():
    before = signal.signal(signal.SIGUSR1, lambda signum, frame: None)
    try:
        with Doze() as doze:
            os.kill(os.getpid(), signal.SIGUSR1)
            began = time.monotonic()
            doze.sleep(LONG)
            assert time.monotonic() - began < LONG / 2
            doze.sleep(0.05)  # it was heeded, so this one lasts
            assert time.monotonic() - began >= 0.05
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_during_it_ends_the_sleep_and_its_handler_has_run():
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda signum, frame: seen.append(signum))
    try:
        with Doze() as doze:
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            began = time.monotonic()
            doze.sleep(LONG)
            assert time.monotonic() - began < LONG / 2
            assert seen == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_it_leaves_the_handlers_as_they_were():
    before = signal.getsignal(signal.SIGCHLD)
    with Doze():
        assert signal.getsignal(signal.SIGCHLD) is not before
    assert signal.getsignal(signal.SIGCHLD) is before
    assert signal.set_wakeup_fd(-1) == -1
