"""A system that is ended, or whose consumer dies again and again, counts what was answered."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.integration.killer.apps import DEADLY
from tests.integration.processes import wait_for
from tests.integration.reckoning import assert_rollups_equal_rows, stored_paths
from tests.integration.stack import served
from tests.load import Load, get, paths_of

pytestmark = pytest.mark.slow


def test_sigterm_under_load_loses_no_answered_request(tmp_path: Path) -> None:
    with served(tmp_path / "var") as (server,):
        with Load(server.port) as load:
            time.sleep(1.0)
            assert server.stop() == 0
        assert load.answered
        with served(server.var_dir) as (again,):
            assert again.drained(len(load.answered))
            assert stored_paths(again) == paths_of(load.answered)
            assert again.status()["dropped"] == 0


def test_an_event_that_kills_its_consumer_ends_alone_as_a_dead_letter(tmp_path: Path) -> None:
    with served(
        tmp_path / "var",
        DJANGO_SETTINGS_MODULE="tests.integration.kill_settings",
        TRAFFIC_LEASE="0.5",
        WEB_CONCURRENCY="1",
        TRAFFIC_LINGER="2",
    ) as (server,):
        paths = [f"/api/test/neighbour/n{number}" for number in range(99)]
        paths.insert(37, "/api/test" + DEADLY)
        for path in paths:
            assert get(server.port, path) == 200

        assert wait_for(lambda: server.rows("SELECT 1 FROM stats_deadletter") != [], 90), server.output()[
            -3000:
        ]
        assert server.drained(99)
        ((event_id, reason, deliveries, payload),) = server.rows(
            "SELECT event_id, reason, deliveries, payload FROM stats_deadletter"
        )
        assert reason == "exhausted"
        assert deliveries > 4
        assert f'"path":"/api/test{DEADLY}"' in payload
        assert event_id in payload
        assert stored_paths(server) == sorted(set(paths) - {"/api/test" + DEADLY})
        assert_rollups_equal_rows(server)
        # The cluster lives: it counts what comes next.
        assert get(server.port, "/api/test/afterwards") == 200
        assert server.drained(100)
