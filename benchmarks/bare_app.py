"""The app without the middleware, on one core: how many requests a second it answers.

What `sustained` compares the whole system with.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.load import Plan, driven
from benchmarks.report import progress
from tests.integration.processes import environment, free_port, wait_for
from tests.load import get

CONNECTIONS = 8
SETTINGS = "benchmarks.bare.without_middleware"
# Its requests ask no database, so none is started.
NO_DATABASE = {
    "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
    "SECRET_KEY": "only for a benchmark, and long enough",
    "TEST_ENDPOINT": "1",
}


@contextmanager
def running(var_dir: Path) -> Iterator[int]:
    """The port of the same app without the middleware: one worker, one thread, pinned to the first core."""
    (var_dir / "static").mkdir(parents=True)  # otherwise a warning says that there is none
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "gateway.wsgi:application", "--workers", "1"]
    command += [
        "--threads",
        "1",
        "--worker-class",
        "gthread",
        "--no-control-socket",
        "--log-level",
        "warning",
    ]
    core = min(os.sched_getaffinity(0))
    process = subprocess.Popen(  # noqa: S603
        [*command, "--bind", f"127.0.0.1:{port}"],
        env=environment(var_dir, DJANGO_SETTINGS_MODULE=SETTINGS, **NO_DATABASE),
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
    )
    try:
        assert wait_for(lambda: get(port, "/api/test/up") == 200, 30), "the bare app does not answer"
        yield port
    finally:
        process.terminate()
        process.wait()


def rate(var_dir: Path, seconds: float, rounds: int) -> float:
    """Requests a second of the bare app in a closed loop, the median of some rounds."""
    cores = sorted(os.sched_getaffinity(0))
    with running(var_dir) as port:
        rates = []
        for number in range(rounds + 1):
            plan = Plan(port, seconds, CONNECTIONS, f"b{number}", cores=(cores[-1],))
            with driven(plan, var_dir.parent) as load:
                rates.append(load.result().rate)
    progress(f"bare app on one core: {statistics.median(rates[1:]):,.0f} a second")
    return statistics.median(rates[1:])  # the first warms up
