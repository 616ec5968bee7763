"""An outage is nobody's fault: it costs a batch no delivery, however often it comes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration import prepared
from tests.integration.processes import ROOT, environment


@pytest.mark.slow
def test_postgresql_stopped_ten_times_under_the_same_batch_makes_no_dead_letter(tmp_path: Path) -> None:
    prepared.lay(tmp_path / "var")
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.ten_outages"],
        cwd=ROOT,
        env=environment(tmp_path / "var"),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "outages": 10,
        "events": 100,
        "requests": 100,
        "dead_letters": 0,
        "queued": 0,
    }
