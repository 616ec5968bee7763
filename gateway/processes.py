"""What the kernel offers for not leaving processes behind, and file locks that it drops by itself."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from select import select

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# Loaded at import: between fork and exec nothing may load a library any more.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(signum: int) -> Callable[[], None]:
    """A `preexec_fn`: the kernel sends `signum` to the child when the thread that started it is gone.

    So it holds after a SIGKILL of the parent, too. It is set after the change of user, which would
    clear it, and a parent that died before that is noticed by its changed id. Elsewhere than on Linux
    it does nothing.
    """
    parent = os.getpid()

    def preexec() -> None:
        if _libc is None:
            return
        _libc.prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)

    return preexec


def adopt_orphans() -> None:
    """From now on this process inherits its orphaned descendants, and must reap them (`reap_orphans`)."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children() -> list[int]:
    """The process ids of this process's children, adopted ones and ended ones included."""
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        with suppress(FileNotFoundError):  # a thread that has just ended
            found += map(int, task.read_text().split())
    return found


def stat_fields(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat behind the command's name, state first, as in proc(5); None of no process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def reap_orphans(own: Collection[int]) -> None:
    """Take the exit status of every ended child but `own`, whose `Popen` wants it for itself."""
    for pid in children():
        if pid not in own:
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


class Doze:
    """A sleep that ends early when a child ends or a handled signal comes, be it just before the sleep.

    So who watches processes need not look many times a second. For the main thread, within a `with`.
    """

    def __enter__(self) -> Doze:
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._writing_before = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        # Python writes to the pipe for signals with a handler of its own only.
        self._handler_before = signal.signal(signal.SIGCHLD, lambda signum, frame: None)
        return self

    def __exit__(self, *failure: object) -> None:
        signal.signal(signal.SIGCHLD, self._handler_before)
        signal.set_wakeup_fd(self._writing_before)
        os.close(self._reading)
        os.close(self._writing)

    def sleep(self, seconds: float) -> None:
        if select([self._reading], [], [], max(0.0, seconds))[0]:
            with suppress(BlockingIOError):
                while os.read(self._reading, 512):
                    pass


def signal_group(group: int, signum: int) -> None:
    """Send `signum` to a whole process group; an empty one is fine."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signum)


def try_lock(path: Path, operation: int, seconds: float = 0.0) -> int | None:
    """An open descriptor that holds the `flock` on `path`, or None if it can't be had within `seconds`.

    It is polled, because a blocking `flock` has no time-out. Raises OSError if the file can't be opened.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                return None
            time.sleep(0.05)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the exclusive lock on `path` and hold it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def ignore_terminal() -> None:
    """Ctrl-C and a closed terminal are for the processes in front, not for this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
