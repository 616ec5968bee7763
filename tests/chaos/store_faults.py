"""Faults of the stores: PostgreSQL, the collector's file, the disk below the journal."""

from __future__ import annotations

import resource
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psycopg
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from gateway import embedded_postgres
from gateway.embedded_postgres.files import Files
from tests.chaos.faults import Missed, Scene, fault
from tests.chaos.system import System, SystemBroken
from tests.integration.processes import wait_for

BACK_SECONDS = 60.0
EXHAUSTED_SECONDS = 3.0


@fault
def postgres_immediate(scene: Scene) -> Iterator[None]:
    with _postgres_down(scene.system):
        yield


@fault
def postgres_kill(scene: Scene) -> Iterator[None]:
    pid = embedded_postgres.server_pid(scene.system.var_dir)
    if pid is not None:
        scene.signal(pid, signal.SIGKILL)
    yield
    _await_postgres(scene.system)


@fault
def postgres_keeper_kill(scene: Scene) -> Iterator[None]:
    pid = embedded_postgres.keeper_pid(scene.system.var_dir)
    if pid is not None:
        scene.signal(pid, signal.SIGKILL)
    yield
    _await_postgres(scene.system)


@fault
def connections_exhausted(scene: Scene) -> Iterator[None]:
    held: list[psycopg.Connection[object]] = []
    try:
        _take_connections(scene.system, held)
        if held:  # what the system had is ours next
            held[0].execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tallygate'"
            )
            _take_connections(scene.system, held)
        time.sleep(EXHAUSTED_SECONDS)
        yield
    finally:
        for connection in held:
            connection.close()


@fault
def tables_locked(scene: Scene) -> Iterator[None]:
    kind = scene.system.kind
    table = scene.random.choice([kind.intake_table, kind.events_table, "django_q_ormq"])
    with scene.system.connect() as connection, connection.transaction():
        connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        yield


@fault
def read_only(scene: Scene) -> Iterator[None]:
    _set_read_only(scene.system, "ALTER SYSTEM SET default_transaction_read_only = on")
    yield
    _set_read_only(scene.system, "ALTER SYSTEM RESET default_transaction_read_only")


@fault
def long_transaction(scene: Scene) -> Iterator[None]:
    """A snapshot that nothing may be cleaned up behind."""
    with scene.system.connect() as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("SELECT pg_current_xact_id(), (SELECT count(*) FROM django_q_ormq)")
        yield


@fault
def collector_locked(scene: Scene) -> Iterator[None]:
    with _collector_locked(scene.system):
        yield


@fault
def both_down(scene: Scene) -> Iterator[None]:
    """Nobody takes events: they wait where they were captured."""
    with _collector_locked(scene.system), _postgres_down(scene.system):
        yield


@fault
def journal_disk_full(scene: Scene) -> Iterator[None]:
    """No file of a web process may grow any more: as a full disk, and nobody need be root for it.

    The log is such a file, too: what the workers say meanwhile is missing from it, so the counter is asked.
    """
    _, workers = scene.roles.gunicorn()
    before = _unjournalled(scene.system)
    # Less than a line or two: segments are emptied so often that they hardly grow beyond that.
    room = scene.random.randrange(0, 500)  # bytes
    for pid in workers:
        _limit_files(pid, room)
    yield
    for pid in workers:
        _limit_files(pid, resource.RLIM_INFINITY)
    if _unjournalled(scene.system) == before:
        raise Missed("every event could be journalled")


def _unjournalled(system: System) -> float:
    """Events that its processes could not write to their journals, so far."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(system.var_dir / "metrics"))
    return registry.get_sample_value("tallygate_journal_failed_total") or 0.0


@contextmanager
def _postgres_down(system: System) -> Iterator[None]:
    embedded_postgres.suspend(system.var_dir, "immediate")
    try:
        yield
    finally:
        # Not `resume`, which would make this process a user for whom the server is kept up.
        Files.of(system.var_dir).hold.unlink(missing_ok=True)
    _await_postgres(system)


@contextmanager
def _collector_locked(system: System) -> Iterator[None]:
    path = system.var_dir / "legacy" / "collector.sqlite3"
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def _await_postgres(system: System) -> None:
    if not wait_for(lambda: _answers(system), BACK_SECONDS):
        raise SystemBroken(f"PostgreSQL is not back after {BACK_SECONDS:.0f} s")


def _answers(system: System) -> bool:
    try:
        return system.rows("SELECT 1") == [(1,)]
    except psycopg.Error:
        return False


def _take_connections(system: System, held: list[psycopg.Connection[object]]) -> None:
    with suppress(psycopg.OperationalError):
        while True:
            held.append(system.connect())


def _set_read_only(system: System, statement: str) -> None:
    """Also for connections that are open, by ending them."""
    with system.connect(options="-c default_transaction_read_only=off") as connection:
        connection.execute(statement)
        connection.execute("SELECT pg_reload_conf()")
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tallygate'"
        )


def _limit_files(pid: int, size: int) -> None:
    with suppress(ProcessLookupError):
        _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))
