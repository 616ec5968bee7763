"""The whole system, as a user starts it, counts what was answered: exactly, and through outages and kills."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import embedded_postgres
from stats.consumer import ATTEND_SECONDS, QUIET_SECONDS
from tests.integration import access_log
from tests.integration.processes import wait_for
from tests.integration.reckoning import assert_rollups_equal_rows, stored_paths
from tests.integration.stack import Server, served
from tests.load import Load, get, paths_of

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One system for the tests that leave it running."""
    with served(tmp_path_factory.mktemp("system") / "var", TRAFFIC_LOG_EVENTS="1") as (one,):
        yield one


@pytest.fixture
def empty(server: Server) -> Server:
    """The system with nothing counted yet."""
    server.rows("TRUNCATE stats_event, stats_pathstatshourly, stats_deadletter, gateway_queuedbatch")
    return server


@pytest.mark.parametrize("source", ["generated", "real"])
def test_a_replayed_log_is_counted_as_the_file_says_and_a_second_replay_adds_nothing(
    empty: Server, tmp_path: Path, source: str
) -> None:
    log = tmp_path / "access.log"
    if source == "generated":
        access_log.generate(log, lines=600)
    elif access_log.REAL_LOG.exists():
        lines = access_log.REAL_LOG.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join(lines[:1200]))
    else:
        pytest.skip("no real log beside this checkout; the generated one is replayed above")
    wanted = access_log.requests_by_path_and_status(log)
    assert wanted.total() >= 600

    for _ in range(2):
        done = empty.manage("replay_access_log", str(log), "--url", empty.url, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert empty.drained(wanted.total())

    rows = empty.rows("SELECT path, status, count(*) FROM stats_event GROUP BY 1, 2")
    assert Counter({(path, status): count for path, status, count in rows}) == wanted
    assert empty.rows("SELECT count(DISTINCT client_ip_hash) FROM stats_event") == [
        (access_log.clients(log),)
    ]
    assert_rollups_equal_rows(empty)
    status = empty.status()
    assert status["events"] == status["requests"] == wanted.total()
    assert status["duplicates"] >= wanted.total()
    assert (status["dropped"], status["dead_letters"], status["fallback_pending"]) == (0, 0, 0)


def test_the_same_request_sent_twice_a_second_apart_logs_one_id_twice_and_counts_once(empty: Server) -> None:
    headers = {"CF-Connecting-IP": "203.0.113.50", "CF-Ray": "8f1e00aa11bb22cc-FRA"}
    already_logged = len(empty.output())
    for _ in range(2):
        assert get(empty.port, "/api/test/twice", headers) == 200
        time.sleep(1.0)

    assert empty.drained(1)
    sent = [line for line in empty.output()[already_logged:].splitlines() if "Path: /api/test/twice " in line]
    ids = [line.split("Queue sent: ")[1].split(" | ")[0] for line in sent if "Queue sent: " in line]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    assert empty.rows("SELECT idempotent_id FROM stats_event") == [(ids[0],)]
    assert "203.0.113.50" not in empty.output()


def test_a_quiet_gateways_request_is_visible_within_seconds(empty: Server) -> None:
    assert get(empty.port, "/api/test/lonely") == 200
    assert empty.drained(1, seconds=5.0)


def test_the_snapshot_follows_the_traffic_within_seconds(empty: Server) -> None:
    empty.rows("DELETE FROM stats_snapshot")
    kept = "SELECT (payload -> 'overview' -> 'current' ->> 'requests')::int FROM stats_snapshot"
    with Load(empty.port) as load:
        # The running hour holds what earlier tests counted, too.
        assert wait_for(lambda: (empty.rows(kept) or [(0,)])[0][0] > 0, 20)
    assert empty.drained(len(load.answered))


def test_a_lost_doorbell_delays_events_by_seconds_only(empty: Server) -> None:
    empty.rows(
        "CREATE OR REPLACE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM django_q_ormq WHERE id = NEW.id; RETURN NULL; END'"
    )
    empty.rows("CREATE TRIGGER lose AFTER INSERT ON django_q_ormq FOR EACH ROW EXECUTE FUNCTION lose()")
    time.sleep(ATTEND_SECONDS + QUIET_SECONDS)  # a worker that attends needs no doorbell
    try:
        assert get(empty.port, "/api/test/unheard") == 200
        assert wait_for(lambda: empty.rows("SELECT 1 FROM gateway_queuedbatch") != [], 5)
        time.sleep(1.5)
        assert empty.rows("SELECT count(*) FROM stats_event") == [(0,)]
    finally:
        empty.rows("DROP TRIGGER lose ON django_q_ormq")
    assert empty.drained(1, seconds=5.0)


def test_during_an_outage_every_request_is_answered_and_afterwards_counted_once(empty: Server) -> None:
    with Load(empty.port) as load:
        time.sleep(1.0)
        embedded_postgres.suspend(empty.var_dir, "immediate")
        time.sleep(3.0)
        status = empty.status()
        time.sleep(0.5)
        embedded_postgres.resume(empty.var_dir)
        time.sleep(1.0)

    assert not load.unanswered
    assert status["fallback_pending"] > 0
    assert status["events"] is None
    assert wait_for(lambda: empty.manage("replay_fallback", "--json").returncode == 0, 60)
    assert empty.drained(len(load.answered), seconds=60.0)
    assert stored_paths(empty) == paths_of(load.answered)
    assert_rollups_equal_rows(empty)
    assert empty.status()["dead_letters"] == 0


def test_a_web_worker_that_is_reloaded_under_load_loses_nothing(empty: Server) -> None:
    with Load(empty.port) as load:
        time.sleep(0.5)
        master = empty.pids("gunicorn")[0]
        os.kill(master, signal.SIGHUP)
        time.sleep(2.0)

    assert load.answered
    assert empty.drained(len(load.answered))
    assert stored_paths(empty) == paths_of(load.answered)


def test_web_workers_killed_under_load_lose_no_answered_request(empty: Server) -> None:
    with Load(empty.port) as load:
        for _ in range(4):
            time.sleep(0.4)
            workers = empty.pids("gunicorn")[1:]
            os.kill(workers[-1], signal.SIGKILL)
        time.sleep(0.5)

    assert load.answered
    assert wait_for(lambda: set(paths_of(load.answered)) <= set(stored_paths(empty)), 30)
    assert empty.drained(len(stored_paths(empty)))
    # A request whose worker was killed may have been counted without an answer; nothing is counted twice.
    assert set(stored_paths(empty)) <= set(paths_of(load.answered | load.unanswered))
    assert len(stored_paths(empty)) == len(set(stored_paths(empty)))
    assert_rollups_equal_rows(empty)
    status = empty.status()
    assert status["journal_pending"] == status["dropped"] == 0
