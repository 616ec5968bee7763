"""Faults of disks: the one below PostgreSQL is full, or the one below the journals."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator, Sequence
from contextlib import suppress

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from tests.chaos.faults import Missed, Scene, fault
from tests.chaos.store_faults import await_postgres
from tests.chaos.system import System

NO_SPACE = "No space left on device"


@fault
def database_disk_full(scene: Scene) -> Iterator[None]:
    """The file system below PostgreSQL is shrunk to what it holds; the system's log has to say so."""
    disk, told = scene.system.disk, scene.system.told()
    if disk is None:
        raise Missed("PostgreSQL has no file system of its own: none could be mounted")
    disk.fill()
    try:
        scene.await_moment(lambda: NO_SPACE in scene.system.told_since(told), "a statement without space")
        yield
    finally:
        disk.free()
    await_postgres(scene.system)


@fault
def journal_disk_full(scene: Scene) -> Iterator[None]:
    """No file of a web process may grow any more: as a full disk, and nobody need be root for it.

    A segment has its space from the start, so one worker is killed: the one after it can begin none. The log
    is such a file, too: what the workers say meanwhile is missing from it, so the counter is asked.
    """
    master, workers = scene.roles.gunicorn()
    before = _unjournalled(scene.system)
    _limit_files([master, *workers], scene.random.randrange(0, 500_000))  # bytes
    scene.signal(scene.random.choice(sorted(workers)), signal.SIGKILL)
    yield
    master, workers = scene.roles.gunicorn()
    _limit_files([master, *workers], resource.RLIM_INFINITY)
    if _unjournalled(scene.system) == before:
        raise Missed("every event could be journalled")


def _unjournalled(system: System) -> float:
    """Events that its processes could not write to their journals, so far."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(system.var_dir / "metrics"))
    return registry.get_sample_value("tallygate_journal_failed_total") or 0.0


def _limit_files(pids: Sequence[int], size: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
