"""Whatever PostgreSQL refuses, requests are answered, nothing is lost, and later all drains by itself."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection, connections

from gateway.embedded_postgres.files import Files
from gateway.models import QueuedBatch
from gateway.segment import unsettled
from stats.consumer import Consumer
from stats.models import DeadLetter, Event, PathStatsHourly
from tests.integration.processes import wait_for
from tests.integration.stack import Server, served
from tests.load import get

pytestmark = pytest.mark.slow

FAULT_SECONDS = float(os.environ.get("FAULT_SECONDS", "3.5"))  # longer than a hand-over may take
RECOVERY_SECONDS = 30.0
ANSWER_SECONDS = 1.0
ROOM = 20  # events a web process takes in hand at most
TABLES = ("gateway_queuedbatch", "stats_event", "stats_pathstatshourly")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with served(tmp_path_factory.mktemp("faults") / "var", TRAFFIC_BUFFER_EVENTS=str(ROOM)) as (one,):
        yield one


def session(server: Server, **options: Any) -> psycopg.Connection[Any]:
    """A session of a person, who may write even while the server is read-only."""
    return server.connect(options="-c default_transaction_read_only=off", **options)


# --- faults ----------------------------------------------------------------------------------------


@contextmanager
def tables_locked(server: Server) -> Iterator[None]:
    with session(server, autocommit=False) as person:
        person.execute(f"LOCK TABLE {', '.join(TABLES)} IN ACCESS EXCLUSIVE MODE")
        yield
        person.rollback()


@contextmanager
def connections_exhausted(server: Server) -> Iterator[None]:
    """Every slot is somebody else's: those of the system, too, are ended and taken."""
    ours = "FROM pg_stat_activity WHERE application_name = 'tallygate' AND backend_type = 'client backend'"
    with ExitStack() as held:
        first = held.enter_context(session(server))

        def none_is_left() -> bool:
            with suppress(psycopg.OperationalError):
                while True:
                    held.enter_context(session(server))
            left = first.execute(f"SELECT count(pg_terminate_backend(pid)) {ours}").fetchone()
            return left == (0,)

        assert wait_for(none_is_left)
        yield


@contextmanager
def read_only(server: Server) -> Iterator[None]:
    with session(server) as person:
        person.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        person.execute("SELECT pg_reload_conf()")
        # On a busy machine the postmaster takes its time to read it.
        assert wait_for(lambda: server.rows("SHOW default_transaction_read_only") == [("on",)])
        yield
        person.execute("ALTER SYSTEM RESET default_transaction_read_only")
        person.execute("SELECT pg_reload_conf()")


@contextmanager
def no_space(server: Server) -> Iterator[None]:
    """PostgreSQL's word for a full disk, at each insert; the real thing needs a disk of its own (below)."""
    with session(server) as person:
        person.execute(
            "CREATE FUNCTION no_space() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"
        )
        for table in TABLES:
            person.execute(f"CREATE TRIGGER no_space BEFORE INSERT ON {table} EXECUTE FUNCTION no_space()")
        yield
        person.execute("DROP FUNCTION no_space() CASCADE")


@contextmanager
def xmin_pinned(server: Server) -> Iterator[None]:
    with session(server, autocommit=False) as person:
        person.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        person.execute("SELECT count(*) FROM stats_event")
        yield


# --- claims ----------------------------------------------------------------------------------------


def ask_for(server: Server, name: str, seconds: float, padding: str = "") -> list[str]:
    """Sends requests one after the other; each is answered in time. Their paths."""
    ends_at = time.monotonic() + seconds
    paths: list[str] = []
    while time.monotonic() < ends_at:
        paths.append(f"/api/test/{name}/n{len(paths):06d}z{padding}")
        assert get(server.port, paths[-1], seconds=ANSWER_SECONDS) == 200
        time.sleep(0.02)
    return paths


def stored(server: Server, name: str) -> list[str]:
    rows = server.rows("SELECT path FROM stats_event WHERE path LIKE %s ORDER BY path", f"/api/test/{name}/%")
    return [path for (path,) in rows]


def assert_all_is_counted(server: Server, name: str, paths: list[str]) -> None:
    """Without a person, and once."""
    assert wait_for(lambda: len(stored(server, name)) >= len(paths), RECOVERY_SECONDS), server.output()[
        -3000:
    ]
    status = server.status()
    assert stored(server, name) == paths
    assert (status["dead_letters"], status["dropped"], status["breaker"]) == (0, 0, "closed")
    assert status["events"] == status["requests"]


@pytest.mark.parametrize(
    "fault", [tables_locked, connections_exhausted, read_only, no_space], ids=lambda f: f.__name__
)
def test_during_a_fault_requests_are_answered_and_after_it_all_are_counted(
    server: Server, fault: Callable[[Server], AbstractContextManager[None]]
) -> None:
    name, log_before = fault.__name__, len(server.output())
    with fault(server):
        paths = ask_for(server, name, FAULT_SECONDS)
        log_during = server.output()[log_before:]
    assert "Queue refused" in log_during  # it was felt, or nothing is shown here
    assert "Batch stored" not in log_during.partition("Queue refused")[2]

    assert_all_is_counted(server, name, paths)


@contextmanager
def collector_locked(server: Server) -> Iterator[None]:
    with closing(sqlite3.connect(server.var_dir / "legacy" / "collector.sqlite3")) as person:
        person.execute("BEGIN IMMEDIATE")
        yield
        person.rollback()


def test_what_no_store_takes_and_no_process_has_room_for_is_counted_later_though_a_worker_is_killed(
    server: Server,
) -> None:
    """It is in the journals: of the killed process as well as, unread, of the living one."""
    with tables_locked(server), collector_locked(server):
        paths = ask_for(server, "no-room", FAULT_SECONDS)
        os.kill(server.pids("gunicorn")[-1], signal.SIGKILL)
        journals = server.var_dir.glob("journal/*.journal")
        assert sum(len(unsettled(path.read_bytes())) for path in journals) > 4 * ROOM

    assert_all_is_counted(server, "no-room", paths)


def test_a_transaction_that_pins_xmin_delays_nothing(server: Server) -> None:
    with xmin_pinned(server):
        paths = ask_for(server, "pinned", 2.0)
        assert_all_is_counted(server, "pinned", paths)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A VAR_DIR whose PostgreSQL has a small file system of its own."""
    folder = tmp_path / "var" / "postgres"
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=256m,mode=0755", "tallygate-test", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("NOT TESTED: a disk that is really full; it takes root and the right to mount one")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_disk_that_is_really_full_loses_nothing(small_disk: Path) -> None:
    with served(small_disk.parent) as (server,):
        before = ask_for(server, "full", 0.3)
        filler = small_disk / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 65536)
        # Long paths: what fits into a page that is there already needs no disk.
        during = ask_for(server, "full-disk", FAULT_SECONDS, padding="x" * 1800)
        assert "No space left on device" in Files.of(server.var_dir).server_log.read_text(errors="replace")
        filler.unlink()

        assert_all_is_counted(server, "full-disk", during)
        assert_all_is_counted(server, "full", before)


# --- transactions that get in each other's way -----------------------------------------------------


@pytest.fixture
def rival(send, make_event) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Another session of the test's database, which has just changed the hour that is to be added to."""
    send(make_event())
    Consumer().drain()
    other = psycopg.connect(**connections["default"].get_connection_params() | {"context": None})
    other.execute("UPDATE stats_pathstatshourly SET response_bytes = response_bytes + 1")
    yield other
    other.close()


def drain_beside(rival: psycopg.Connection[tuple[object, ...]], meet: Callable[[], None]) -> None:
    """Drains; when the consumer waits for the rival, `meet` says what the rival does."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype <> 'advisory'"

    def consumer_waits() -> bool:
        with connections["default"].cursor() as cursor:
            cursor.execute(waiting)
            return bool(cursor.fetchone()[0])

    def work() -> None:
        try:
            Consumer().drain()
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert wait_for(consumer_waits)
        meet()
    finally:
        rival.close()
        thread.join(20)
    assert not thread.is_alive()


@pytest.mark.django_db(transaction=True, databases=["default", "legacy"])
def test_a_deadlock_is_simply_tried_again(rival, send, make_event, caplog) -> None:
    send(make_event())

    def meet() -> None:
        # Who has waited for so long looks for a deadlock, and is the one that PostgreSQL picks: the consumer.
        rival.execute("SET deadlock_timeout = '1min'")
        rival.execute("SELECT id FROM gateway_queuedbatch FOR UPDATE")
        rival.rollback()

    drain_beside(rival, meet)

    assert "Transaction tried again: OperationalError [40P01]" in caplog.text
    assert_counted_once_more()


@pytest.mark.django_db(transaction=True, databases=["default", "legacy"])
def test_a_serialization_failure_is_simply_tried_again(rival, send, make_event, caplog) -> None:
    send(make_event())
    database = connection.settings_dict["NAME"]
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER DATABASE \"{database}\" SET default_transaction_isolation = 'repeatable read'")
    try:
        drain_beside(rival, rival.commit)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'ALTER DATABASE "{database}" RESET default_transaction_isolation')

    assert "Transaction tried again: OperationalError [40001]" in caplog.text
    assert_counted_once_more()


def assert_counted_once_more() -> None:
    assert Event.objects.count() == sum(PathStatsHourly.objects.values_list("requests", flat=True)) == 2
    assert not QueuedBatch.objects.exists()
    assert not DeadLetter.objects.exists()
