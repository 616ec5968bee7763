"""A file system of PostgreSQL's own, so that its disk can really be full: a tmpfs, shrunk to what it holds.

Root may mount one; anybody else may in a user namespace of his own, where the machine allows those. Only
programs with one thread can enter one, so it is the command that does, not a test.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SIZE = 4 << 30  # bytes; memory is taken only for what is written
FILL_TRIES = 50

CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_REMOUNT, MS_REC, MS_PRIVATE = 0x20, 0x4000, 0x40000
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


class Disk:
    """The mounted file system at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def mount(self) -> None:
        """Raises OSError, above all where this process may not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._mount(0, SIZE)

    def fill(self) -> None:
        """From now on nothing on it can grow. Raises OSError."""
        for attempt in range(1, FILL_TRIES + 1):
            state = os.statvfs(self.folder)
            try:
                self._mount(MS_REMOUNT, (state.f_blocks - state.f_bfree) * state.f_frsize)
                break
            except OSError as error:
                # Somebody wrote between the two calls, and it can't be made smaller than what it holds.
                if error.errno != errno.EINVAL or attempt == FILL_TRIES:
                    raise

    def free(self) -> None:
        """Ends `fill`. Raises OSError."""
        self._mount(MS_REMOUNT, SIZE)

    def unmount(self) -> None:
        """Leaves the files in the folder, as if there had never been a file system of its own."""
        kept = self.folder.with_name(self.folder.name + ".kept")
        subprocess.run(["cp", "-a", str(self.folder), str(kept)], capture_output=True, check=False)
        _check(_libc.umount2(os.fsencode(self.folder), MNT_DETACH))
        self.folder.rmdir()
        kept.rename(self.folder)

    def _mount(self, flags: int, size: int) -> None:
        options = f"size={size},mode=0755".encode()
        _check(_libc.mount(b"tallygate-chaos", os.fsencode(self.folder), b"tmpfs", flags, options))


@contextmanager
def small_disk(folder: Path) -> Iterator[Disk | None]:
    """A file system at `folder`, or None where none can be mounted."""
    disk: Disk | None = Disk(folder)
    try:
        disk.mount()
    except OSError:
        disk = None
    try:
        yield disk
    finally:
        if disk is not None:
            with suppress(OSError):  # what the run found matters more
                disk.unmount()


def own_mounts() -> None:
    """From now on what this process mounts is its own and its children's, and vanishes with them.

    Without effect where the machine forbids it.
    """
    user, group = os.getuid(), os.getgid()
    with suppress(OSError):
        _check(_libc.unshare(CLONE_NEWNS | (CLONE_NEWUSER if user else 0)))
        if user:
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
        _check(_libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
