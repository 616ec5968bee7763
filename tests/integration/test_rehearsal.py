"""A whole cutover, and back, and forth again, under load: each request is counted exactly once."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from gateway import asked
from legacy_collector.models import Reason
from tests.integration.reckoning import assert_rollups_equal_rows, stored_paths
from tests.integration.stack import Server, served
from tests.load import Load, paths_of

pytestmark = pytest.mark.slow

PHASES = ("legacy", "dual", "sample", "queue", "legacy", "queue")
KNOWN_EVERYWHERE_SECONDS = asked.SECONDS + 1.5


def collected(server: Server) -> dict[str, int]:
    """Events in the collector by why they are there."""
    with closing(sqlite3.connect(server.var_dir / "legacy" / "collector.sqlite3")) as connection:
        rows = connection.execute(
            "SELECT reasons, count(*) FROM legacy_collector_collectedevent GROUP BY reasons"
        )
        return {"+".join(Reason(reasons).names): count for reasons, count in rows}


def test_a_cutover_and_back_under_load_counts_each_request_once(tmp_path: Path) -> None:
    with served(tmp_path / "var", STATS_MODE="legacy") as (server,):
        assert server.rows("SELECT mode, changed_by FROM gateway_modechange") == [("legacy", "")]
        with Load(server.port) as load:
            for phase in PHASES:
                done = server.manage(
                    "set_mode", phase, "--sample-rate", "0.5", "--note", "rehearsal", "--json"
                )
                assert done.returncode == 0, done.stderr
                assert json.loads(done.stdout)["mode"] == phase
                time.sleep(KNOWN_EVERYWHERE_SECONDS)

        assert not load.unanswered
        assert set(collected(server)) == {"legacy", "dual", "sample"}
        # By the clock this is done within a minute.
        replayed = server.manage("replay_fallback")
        assert replayed.returncode == 0, replayed.stderr
        assert server.drained(len(load.answered)), server.status()
        assert stored_paths(server) == paths_of(load.answered)
        assert_rollups_equal_rows(server)
        status = server.status()
        assert status["requests"] == len(load.answered)
        assert status["mode"] == "queue"
        assert status["fallback_pending"] == status["dropped"] == status["dead_letters"] == 0
        history = server.rows("SELECT mode, changed_by <> '' FROM gateway_modechange ORDER BY id")
        assert history == [("legacy", False), *((phase, True) for phase in PHASES)]
