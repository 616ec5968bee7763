"""Whatever process of the cluster dies or hangs, a later request is counted, and nothing is left."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import embedded_postgres
from tests.integration.cluster import (
    LEADER,
    MONITOR,
    PUSHER,
    SECONDS,
    SENTINEL,
    WORKER,
    arrived,
    cluster,
    counted,
    request,
    supervised,
)
from tests.integration.processes import processes_of, wait_for
from tests.integration.stack import Server

pytestmark = pytest.mark.slow

# What the history of starts says of the next worker.
WORKER_GONE = r"unexpected end: worker process VICTIM was gone after [\d,]+ tasks"
SENTINEL_GONE = r"restarted by the supervisor: .*|unexpected end: task queue ended with \d+"
LEADER_GONE = r"unexpected end: task queue ended with 137"
STOPPED = r"restarted by the supervisor: a process of it is gone or stopped for \d+ s"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One system, whose cluster is hurt again and again."""
    with supervised(tmp_path_factory.mktemp("supervised")) as one:
        yield one


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
    victim = cluster(server)[WORKER]
    last = last_start(server)
    os.kill(victim, signal.SIGKILL)
    assert wait_for(lambda: starts_since(server, last), SECONDS)

    done = server.manage("phase_report", "--days", "1")

    assert done.returncode == 0, done.stderr
    killed = WORKER_GONE.replace("VICTIM", str(victim))
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


def test_a_second_signal_ends_even_a_cluster_that_hangs(server: Server) -> None:
    os.kill(cluster(server)[WORKER], signal.SIGKILL)  # it can't end by itself, and gets 15 s for that
    server.process.terminate()
    time.sleep(1.0)
    assert server.stop(10) == 0
    assert wait_for(lambda: not processes_of(server.var_dir)), processes_of(server.var_dir)
