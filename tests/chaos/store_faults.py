"""Faults of the stores: PostgreSQL and the collector's file."""

from __future__ import annotations

import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg

from gateway import embedded_postgres
from gateway.embedded_postgres.files import Files
from tests.chaos.faults import Missed, Scene, fault
from tests.chaos.system import System, SystemBroken
from tests.integration.processes import wait_for

BACK_SECONDS = 60.0
EXHAUSTED_SECONDS = 3.0
END_SESSIONS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tallygate'"


@fault
def postgres_immediate(scene: Scene) -> Iterator[None]:
    with _postgres_down(scene.system):
        yield


@fault
def postgres_kill(scene: Scene) -> Iterator[None]:
    with _killed(scene, embedded_postgres.server_pid(scene.system.var_dir), "postmaster"):
        yield


@fault
def postgres_keeper_kill(scene: Scene) -> Iterator[None]:
    with _killed(scene, embedded_postgres.keeper_pid(scene.system.var_dir), "keeper"):
        yield


@fault
def connections_exhausted(scene: Scene) -> Iterator[None]:
    held: list[psycopg.Connection[Any]] = []
    try:
        _take_connections(scene.system, held)
        if held:  # what the system had is ours next
            held[0].execute(END_SESSIONS)
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
    with _transaction(scene.system, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"):
        yield


@fault
def read_only(scene: Scene) -> Iterator[None]:
    _set_read_only(scene.system, "ALTER SYSTEM SET default_transaction_read_only = on")
    yield
    _set_read_only(scene.system, "ALTER SYSTEM RESET default_transaction_read_only")


@fault
def long_transaction(scene: Scene) -> Iterator[None]:
    """A snapshot that nothing may be cleaned up behind."""
    with _transaction(
        scene.system,
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ",
        "SELECT pg_current_xact_id(), (SELECT count(*) FROM django_q_ormq)",
    ):
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


@contextmanager
def _killed(scene: Scene, pid: int | None, what: str) -> Iterator[None]:
    if pid is None:
        raise Missed(f"no {what} to kill")
    scene.signal(pid, signal.SIGKILL)
    yield
    await_postgres(scene.system)


@contextmanager
def _postgres_down(system: System) -> Iterator[None]:
    embedded_postgres.suspend(system.var_dir, "immediate")
    try:
        yield
    finally:
        # Not `resume`, which would make this process a user for whom the server is kept up.
        Files.of(system.var_dir).hold.unlink(missing_ok=True)
    await_postgres(system)


def await_postgres(system: System) -> None:
    """Raises SystemBroken."""
    if not wait_for(lambda: _answers(system), BACK_SECONDS):
        raise SystemBroken(f"PostgreSQL is not back after {BACK_SECONDS:.0f} s")


def _answers(system: System) -> bool:
    try:
        return system.rows("SELECT 1") == [(1,)]
    except psycopg.Error:
        return False


@contextmanager
def _transaction(system: System, *statements: str) -> Iterator[None]:
    """One that stays open, by somebody else than the system."""
    with system.connect() as connection, connection.transaction():
        for statement in statements:
            connection.execute(statement)
        yield


def _take_connections(system: System, held: list[psycopg.Connection[Any]]) -> None:
    with suppress(psycopg.OperationalError):
        while True:
            held.append(system.connect())


def _set_read_only(system: System, statement: str) -> None:
    """Also for connections that are open, by ending them."""
    with system.connect(options="-c default_transaction_read_only=off") as connection:
        for each in (statement, "SELECT pg_reload_conf()", END_SESSIONS):
            connection.execute(each)


@contextmanager
def _collector_locked(system: System) -> Iterator[None]:
    path = system.var_dir / "legacy" / "collector.sqlite3"
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
