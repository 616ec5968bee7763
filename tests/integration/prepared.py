"""A VAR_DIR as a first start leaves it: made once for a whole run of the tests, and copied for each system.

To make the data, migrate and compress the static files is most of what a first start costs, and few tests
are about that one: they ask `stack.served` for it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from gateway.embedded_postgres.files import Files
from gateway.processes import locked
from tests.integration.processes import ROOT, environment

SHARED = "TALLYGATE_TEST_VAR_DIR"  # the folder of one run of the tests, all its processes'


def lay(var_dir: Path) -> None:
    """Copies it to `var_dir`, unless there is data already; outside of a run of the tests it does nothing."""
    if SHARED not in os.environ or Files.of(var_dir).data.exists():
        return
    var_dir.mkdir(parents=True, exist_ok=True)
    # With its owners: PostgreSQL refuses data that belongs to somebody else.
    subprocess.run(["cp", "-a", f"{_prepared(Path(os.environ[SHARED]))}/.", str(var_dir)], check=True)


def _prepared(shared: Path) -> Path:
    """The folder that is copied; whoever wants it first makes it."""
    finished, draft = shared / "prepared", shared / "prepared.draft"
    with locked(shared / "prepared.lock"):
        if not finished.exists():
            prepare = [sys.executable, "-m", "tests.integration.prepare"]
            subprocess.run(prepare, cwd=ROOT, env=environment(draft), check=True)
            draft.rename(finished)
    return finished
