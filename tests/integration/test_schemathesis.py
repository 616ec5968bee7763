"""schemathesis runs every check it has against the API, over HTTP, and finds nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway import queue
from stats import tokens
from stats.consumer import drain
from stats.models import ApiToken
from tests.integration.api_traffic import traffic
from tests.integration.processes import wait_for
from tests.integration.test_servers import Server

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True, databases=["default", "legacy"])]

SECONDS = 240  # bound on the whole run: on a busy machine 60 were too few
CASES = 10  # made up for each operation, beside those that cover its document
CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture
def server(store, tmp_path):
    one = Server("gunicorn-gthread", tmp_path / "server.log")
    try:
        assert wait_for(one.is_up, 20), one.log.read_text()
        yield one
    finally:
        one.process.terminate()
        one.ends()
        one.kill()


def test_schemathesis_finds_nothing(server, make_event, tmp_path):
    traffic(make_event)
    queue.enqueue([("[1]", 1), ("{", 1)])  # two dead letters
    drain()
    secret = tokens.issue(ApiToken(name="schemathesis"))

    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "--no-color", "run"),
            f"http://127.0.0.1:{server.port}/stats/api/openapi.json",
            *("--header", f"Authorization: Bearer {secret}", "--checks", "all"),
            *("--phases", "examples,coverage,fuzzing,stateful", "--max-examples", str(CASES)),
            *("--seed", "20251123", "--continue-on-failure", "--request-timeout", "20"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout, done.stdout
