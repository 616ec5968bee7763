"""The worker alone: it waits for a database, and what can't work ends it with a code that says why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway import embedded_postgres
from tests.integration import prepared
from tests.integration.cluster import SECONDS, arrived, request
from tests.integration.processes import kill_all, manage, processes_of, wait_for
from tests.integration.stack import served

pytestmark = pytest.mark.slow


@pytest.fixture
def var_dir(tmp_path: Path) -> Path:
    """Of a system that was migrated, and runs nowhere."""
    prepared.lay(tmp_path / "var")
    return tmp_path / "var"


def test_the_worker_alone_starts_without_a_database_and_counts_once_it_is_there(var_dir: Path) -> None:
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


def test_a_cluster_by_itself_lets_requests_go_first_too(var_dir: Path) -> None:
    alone = manage(var_dir, "qcluster", "--skip-checks", TRAFFIC_WORKER_NICE="7")
    try:
        assert wait_for(lambda: os.getpriority(os.PRIO_PROCESS, alone.pid) == 7, SECONDS)
    finally:
        assert kill_all(var_dir)
        alone.communicate(timeout=SECONDS)


def test_a_mistake_in_the_configuration_ends_the_worker_with_2(var_dir: Path) -> None:
    settings = "tests.integration.wrong_settings"
    done = manage(var_dir, "supervise_worker", DJANGO_SETTINGS_MODULE=settings)
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 2, errors
    assert "Q_CLUSTER: workers is 2, only 1 can work" in errors


def test_a_cluster_that_never_works_ends_the_worker_with_3(var_dir: Path) -> None:
    done = manage(var_dir, "supervise_worker", DJANGO_SETTINGS_MODULE="tests.integration.hopeless_settings")
    _, errors = done.communicate(timeout=60)
    assert done.returncode == 3, errors
    assert "task queue failed 10 times in a row" in errors
    assert errors.count("RuntimeError: this cluster never starts") == 10
    assert wait_for(lambda: not processes_of(var_dir)), processes_of(var_dir)
