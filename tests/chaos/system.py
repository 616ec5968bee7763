"""The system under test: started as a user starts it, and started again on the same folder and port."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from gateway.processes import die_with_parent
from tests.chaos.clock import VARIABLE
from tests.chaos.disk import Disk
from tests.integration.processes import ROOT, environment, free_port, kill_all, processes_of, wait_for
from tests.integration.stack import Server

START_SECONDS = 60.0
LINGER_SECONDS = 10.0  # in which what has no user any more ends by itself


class SystemBroken(Exception):
    """The system did not start, or did not end."""


@dataclass(frozen=True)
class Kind:
    """What distinguishes the two systems that the same faults are tried on."""

    name: str
    settings: str
    command: tuple[str, ...]
    events_table: str
    intake_table: str  # where an event waits for the worker
    worker: tuple[str, ...]  # the management command of a worker alone
    worked: str  # what it logs when it has worked


TALLYGATE = Kind(
    name="tallygate",
    settings="tests.chaos.settings",
    command=(str(ROOT / "manage.py"), "serve"),
    events_table="stats_event",
    intake_table="gateway_queuedbatch",
    worker=("supervise_worker",),
    worked="Batch stored: ",
)
BARE = Kind(
    name="bare",
    settings="benchmarks.bare.settings",
    command=("-m", "benchmarks.bare.serve"),
    events_table="bare_event",
    intake_table="django_q_ormq",
    worker=("qcluster", "--skip-checks"),
    worked="Processed '",
)


class System(Server):
    """Like its parent, but it can be started more than once. Not a thread's to start: it dies with that."""

    def __init__(self, var_dir: Path, kind: Kind = TALLYGATE) -> None:
        self.var_dir = var_dir
        self.kind = kind
        self.disk: Disk | None = None  # below PostgreSQL, where it can be had
        self.port = free_port()
        self.log = var_dir.with_suffix(".log")
        self.log.touch()
        self.clock = var_dir.with_suffix(".clock")
        self.extra = {
            "DJANGO_SETTINGS_MODULE": kind.settings,
            "TRAFFIC_LOG_EVENTS": "1",  # where a lost request was seen last
            VARIABLE: str(self.clock),
        }

    def start(self) -> None:
        """Starts it until it stays up, as a service manager would. Raises SystemBroken."""
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            told = self.told()
            self._launch()
            while self.process.poll() is None and time.monotonic() < deadline:
                if f"is up: {self.url}" in self.told_since(told):
                    return
                time.sleep(0.1)
            time.sleep(0.3)
        raise SystemBroken(f"not up after {START_SECONDS:.0f} s: {self.output()[-2000:]}")

    def _launch(self) -> None:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.kind.command],
                cwd=ROOT,
                env=environment(self.var_dir, PORT=str(self.port), **self.extra),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C is for the harness, which ends the system in order.
                start_new_session=True,
                preexec_fn=die_with_parent(signal.SIGTERM),
            )

    def told(self) -> int:
        """How long its log is, for `told_since`."""
        return self.log.stat().st_size

    def told_since(self, offset: int) -> str:
        """What it has logged since it was so long."""
        with self.log.open(errors="replace") as log:
            log.seek(offset)
            return log.read()

    def kill(self) -> None:
        """SIGKILL of `serve` alone."""
        self.process.kill()
        self.process.wait()

    def end(self) -> dict[int, str]:
        """SIGTERM, then SIGKILL of whatever is left; what was left."""
        try:
            self.stop(60)
        except subprocess.TimeoutExpired:
            self.kill()
        wait_for(lambda: not processes_of(self.var_dir), LINGER_SECONDS)
        left = processes_of(self.var_dir)
        kill_all(self.var_dir)
        return left
