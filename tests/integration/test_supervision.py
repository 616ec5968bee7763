"""Whatever process of the cluster dies or hangs, a later request is counted, and nothing is left."""

from __future__ import annotations

import os
import pickle
import re
import signal
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core import signing

from gateway import embedded_postgres
from tests.integration.processes import kill_all, manage, processes_of, wait_for
from tests.integration.stack import Server, served
from tests.load import get

pytestmark = pytest.mark.slow

LEADER, SENTINEL, WORKER, MONITOR, PUSHER = range(5)  # in the order in which they are started
SECONDS = 30.0
STALE_SECONDS = 6.0  # of `supervision_settings`
# What the history of starts says of the next worker.
WORKER_GONE = r"unexpected end: worker process VICTIM was gone after [\d,]+ tasks"
SENTINEL_GONE = r"restarted by the supervisor: .*|unexpected end: task queue ended with \d+"
LEADER_GONE = r"unexpected end: task queue ended with 137"
STOPPED = r"restarted by the supervisor: a process of it is gone or stopped for \d+ s"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One system, whose cluster is hurt again and again."""
    folder = tmp_path_factory.mktemp("supervised") / "var"
    settings = "tests.integration.supervision_settings"
    with served(folder, DJANGO_SETTINGS_MODULE=settings, WEB_CONCURRENCY="1") as (one,):
        yield one


def cluster(server: Server) -> list[int]:
    """The cluster's processes, once it is whole, works, and has nothing more to do."""
    assert wait_for(lambda: len(server.pids("qcluster")) == 5, SECONDS), server.pids("qcluster")
    assert counted(server, f"/api/test/{uuid.uuid4()}"), server.output()[-3000:]
    assert wait_for(lambda: is_idle(server), SECONDS)
    pids = server.pids("qcluster")
    assert len(pids) == 5
    return pids


def request(server: Server, path: str) -> None:
    assert get(server.port, path) == 200


def counted(server: Server, path: str, seconds: float = SECONDS) -> bool:
    """Whether a request for that path, sent now, is counted once within `seconds`."""
    request(server, path)
    return arrived(server, path, seconds)


def arrived(server: Server, path: str, seconds: float = SECONDS) -> bool:
    return wait_for(
        lambda: server.rows("SELECT count(*) FROM stats_event WHERE path = %s", path) == [(1,)], seconds
    )


def is_idle(server: Server) -> bool:
    """Whether no task waits or was taken just now; what a killed cluster had taken comes again much later."""
    waits = "SELECT 1 FROM django_q_ormq WHERE lock <= now() OR lock > now() + interval '299 s'"
    return server.rows(waits) == []


def test_requests_come_before_the_whole_cluster(server: Server) -> None:
    pids = cluster(server)
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in pids} == {5}
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in server.pids("gunicorn")} == {0}
    group = Path(f"/proc/{pids[WORKER]}/autogroup")
    if not group.exists():  # a kernel that does not weigh sessions against each other
        return
    assert group.read_text().endswith(" nice 5\n")
    assert Path(f"/proc/{server.pids('gunicorn')[0]}/autogroup").read_text().endswith(" nice 0\n")


def last_start(server: Server) -> int:
    return int(server.rows("SELECT coalesce(max(id), 0) FROM stats_workerstart")[0][0])


def starts_since(server: Server, last: int) -> list[tuple[str, str, int]]:
    """Cause, reason and process of each start of the worker since then."""
    sql = "SELECT cause, reason, pid FROM stats_workerstart WHERE id > %s ORDER BY id"
    return [(cause, reason, pid) for cause, reason, pid in server.rows(sql, last)]


@pytest.mark.parametrize(
    ("member", "signum", "written"),
    [
        pytest.param(WORKER, signal.SIGKILL, WORKER_GONE, id="worker"),
        pytest.param(WORKER, signal.SIGKILL, WORKER_GONE, id="worker again"),
        pytest.param(WORKER, signal.SIGKILL, WORKER_GONE, id="worker a third time"),
        pytest.param(PUSHER, signal.SIGKILL, None, id="pusher"),
        pytest.param(SENTINEL, signal.SIGKILL, SENTINEL_GONE, id="sentinel"),
        pytest.param(LEADER, signal.SIGKILL, LEADER_GONE, id="leader"),
        pytest.param(WORKER, signal.SIGSTOP, STOPPED, id="worker stopped"),
    ],
)
def test_a_process_of_the_cluster_dies_or_is_stopped(
    server: Server,
    member: int,
    signum: signal.Signals,
    written: str | None,
    request: pytest.FixtureRequest,
) -> None:
    victim = cluster(server)[member]
    last = last_start(server)
    os.kill(victim, signum)

    path = "/api/test/" + request.node.callspec.id.replace(" ", "-")
    assert counted(server, path), server.output()[-3000:]
    assert wait_for(lambda: victim not in server.pids("qcluster"), SECONDS)
    assert wait_for(lambda: len(server.pids("qcluster")) == 5, SECONDS), server.pids("qcluster")
    if written is None:
        return
    assert wait_for(lambda: starts_since(server, last), SECONDS)
    cause, reason, pid = starts_since(server, last)[0]
    assert re.fullmatch(written.replace("VICTIM", str(victim)), f"{cause}: {reason}")
    assert pid != victim


def test_the_report_of_the_phase_names_a_killed_worker(server: Server) -> None:
    cluster(server)
    done = server.manage("phase_report", "--days", "1")
    assert done.returncode == 0, done.stderr
    killed = WORKER_GONE.replace("VICTIM", r"\d+")
    assert re.search(rf"\d\d:\d\d:\d\d \| restart of the worker \| {killed} \|", done.stdout), done.stdout


def test_a_killed_monitor_does_not_leave_tasks_unacknowledged_for_ever(server: Server) -> None:
    before = cluster(server)
    last = last_start(server)
    os.kill(before[MONITOR], signal.SIGKILL)

    assert wait_for(lambda: server.replaced(before, ("qcluster",)), SECONDS), server.output()[-3000:]
    assert "nobody acknowledges its task" in server.output()
    assert wait_for(
        lambda: any("nobody acknowledges" in reason for _, reason, _ in starts_since(server, last)), SECONDS
    )


def test_a_killed_guard_leaves_one_cluster(server: Server) -> None:
    before = cluster(server)
    guards = [pid for pid, line in processes_of(server.var_dir).items() if "process_group 15.0" in line]
    (guard,) = [pid for pid in guards if "qcluster" in processes_of(server.var_dir)[pid]]
    os.kill(guard, signal.SIGKILL)

    assert counted(server, "/api/test/guard")
    assert wait_for(lambda: server.replaced(before, ("qcluster",)), SECONDS), server.pids("qcluster")
    assert len(cluster(server)) == 5


def test_a_cluster_that_started_while_postgresql_was_down_counts_afterwards(server: Server) -> None:
    before = cluster(server)
    last = last_start(server)
    embedded_postgres.suspend(server.var_dir)
    try:
        os.kill(before[LEADER], signal.SIGKILL)
        assert wait_for(lambda: server.replaced(before, ("qcluster",)), SECONDS)
        request(server, "/api/test/outage")
        time.sleep(2.0)
    finally:
        embedded_postgres.resume(server.var_dir)
        embedded_postgres.leave(server.var_dir)

    assert arrived(server, "/api/test/outage"), server.output()[-3000:]
    # Written when PostgreSQL was back.
    assert wait_for(lambda: starts_since(server, last), SECONDS), server.output()[-3000:]
    assert starts_since(server, last)[0][:2] == ("unexpected end", "task queue ended with 137")


class Raw:
    """A serializer for what is bytes already."""

    @staticmethod
    def dumps(data: bytes) -> bytes:
        return data


def package(server: Server, content: bytes, *, key: str = "") -> str:
    """A task as django-q2 signs it."""
    own = (server.var_dir / "keys" / "secret_key").read_text().strip()
    return signing.dumps(content, key=key or own, salt="traffic-events", serializer=Raw)


def task(func: str, *arguments: Any) -> bytes:
    foreign = {"id": f"{func:.32}", "name": "foreign", "func": func, "args": arguments, "kwargs": {}}
    return pickle.dumps({**foreign, "started": None})


def test_what_others_put_into_the_queue_delays_events_by_seconds_at_most(server: Server) -> None:
    cluster(server)
    payloads = [
        "no package at all",
        package(server, task("stats.tasks.consume"), key="the SECRET_KEY before it was rotated"),
        package(server, b"cno_such_module\nThing\n."),  # can't be unpickled
        package(server, task("no.such.function")),
        package(server, task("asyncio.windows_events.IocpProactor")),  # its module can't be imported
        package(server, task("time.sleep", 1)),
    ]
    server.rows(
        "INSERT INTO django_q_ormq (key, payload, lock)"
        " SELECT 'traffic-events', payload, now() FROM unnest(%s::text[]) AS bad (payload)",
        payloads,
    )
    assert counted(server, "/api/test/foreign", 15.0), server.output()[-3000:]


def test_a_rotated_secret_key_delays_events_by_seconds_at_most(server: Server) -> None:
    cluster(server)
    lost = package(server, task("stats.tasks.consume"), key="another SECRET_KEY")
    # Each doorbell of the next seconds is signed with another key, and is deleted unheard.
    server.rows(
        "CREATE OR REPLACE FUNCTION rotate() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$BEGIN NEW.payload = '{lost}'; RETURN NEW; END$$"
    )
    server.rows("CREATE TRIGGER rotate BEFORE INSERT ON django_q_ormq FOR EACH ROW EXECUTE FUNCTION rotate()")
    try:
        request(server, "/api/test/rotated")
        time.sleep(2.0)
        assert not arrived(server, "/api/test/rotated", 0)
    finally:
        server.rows("DROP TRIGGER rotate ON django_q_ormq")
    assert arrived(server, "/api/test/rotated", 10.0), server.output()[-3000:]


@contextmanager
def every_event_refused(server: Server) -> Iterator[None]:
    """By an error that is no fault of the environment."""
    server.rows("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE 'refused'; END$$")
    server.rows("CREATE TRIGGER refuse BEFORE INSERT ON stats_event FOR EACH ROW EXECUTE FUNCTION refuse()")
    try:
        yield
    finally:
        server.rows("DROP FUNCTION refuse CASCADE")


def test_an_open_breaker_is_left_alone(server: Server) -> None:
    before = cluster(server)
    breaker = "SELECT breaker FROM stats_consumerheartbeat"
    paths = [f"/api/test/breaker/n{number}" for number in range(8)]
    with every_event_refused(server):
        for path in paths:
            request(server, path)
            time.sleep(0.5)  # a batch each
        assert wait_for(lambda: server.rows(breaker) == [("open",)], SECONDS), server.output()[-3000:]
        assert not wait_for(lambda: server.pids("qcluster") != before, 2.5 * STALE_SECONDS)
        assert server.rows(breaker) == [("open",)]

    for path in paths:
        assert arrived(server, path), server.output()[-3000:]
    assert server.rows(breaker) == [("closed",)]
    assert server.pids("qcluster") == before
    assert server.rows("SELECT count(*) FROM stats_deadletter WHERE payload LIKE '%%/breaker/%%'") == [(0,)]


def test_a_paused_consumer_is_left_alone(server: Server) -> None:
    before = cluster(server)
    assert manage(server.var_dir, "pause_consumer").wait(SECONDS) == 0
    request(server, "/api/test/paused")
    assert wait_for(lambda: server.rows("SELECT count(*) > 0 FROM gateway_queuedbatch") == [(True,)], SECONDS)
    assert not wait_for(lambda: server.pids("qcluster") != before, 2.5 * STALE_SECONDS)
    assert server.rows("SELECT count(*) FROM stats_event WHERE path = '/api/test/paused'") == [(0,)]

    assert manage(server.var_dir, "resume_consumer").wait(SECONDS) == 0
    assert arrived(server, "/api/test/paused"), server.output()[-3000:]
    assert server.pids("qcluster") == before


def test_a_second_signal_ends_even_a_cluster_that_hangs(server: Server) -> None:
    os.kill(cluster(server)[WORKER], signal.SIGKILL)  # it can't end by itself, and gets 15 s for that
    server.process.terminate()
    time.sleep(1.0)
    assert server.stop(10) == 0
    assert wait_for(lambda: not processes_of(server.var_dir)), processes_of(server.var_dir)


def test_the_worker_alone_starts_without_a_database_and_counts_once_it_is_there(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    with served(var_dir, WEB_CONCURRENCY="1") as (first,):
        embedded_postgres.suspend(var_dir)
        request(first, "/api/test/outage")
        assert first.stop() == 0
        worker = manage(var_dir, "supervise_worker")
        try:
            assert wait_for(lambda: len(first.pids("qcluster")) == 5, SECONDS)
            embedded_postgres.resume(var_dir)
            assert arrived(first, "/api/test/outage")
        finally:
            embedded_postgres.leave(var_dir, 0)
            worker.terminate()
            _, errors = worker.communicate(timeout=40)
        assert worker.returncode == 0, errors
        assert wait_for(lambda: not processes_of(var_dir)), processes_of(var_dir)


def test_a_cluster_by_itself_lets_requests_go_first_too(tmp_path: Path) -> None:
    alone = manage(tmp_path / "var", "qcluster", "--skip-checks", TRAFFIC_WORKER_NICE="7")
    try:
        assert wait_for(lambda: os.getpriority(os.PRIO_PROCESS, alone.pid) == 7, SECONDS)
    finally:
        assert kill_all(tmp_path / "var")
        alone.communicate(timeout=SECONDS)


def test_a_mistake_in_the_configuration_ends_the_worker_with_2(tmp_path: Path) -> None:
    settings = "tests.integration.wrong_settings"
    done = manage(tmp_path / "var", "supervise_worker", DJANGO_SETTINGS_MODULE=settings)
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 2, errors
    assert "Q_CLUSTER: workers is 2, only 1 can work" in errors


def test_a_cluster_that_never_works_ends_the_worker_with_3(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    migrated = manage(var_dir, "migrate")
    assert migrated.communicate(timeout=60)
    assert migrated.returncode == 0

    done = manage(var_dir, "supervise_worker", DJANGO_SETTINGS_MODULE="tests.integration.hopeless_settings")
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 3, errors
    assert "task queue failed 10 times in a row" in errors
    assert errors.count("RuntimeError: this cluster never starts") == 10
    assert wait_for(lambda: not processes_of(var_dir)), processes_of(var_dir)
