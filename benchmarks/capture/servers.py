"""gunicorn with one of the settings modules, and the load put on it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.load import REQUESTS_A_CONNECTION, Plan, driven, quantile

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 30.0
PATH = "/api/area{route}/items/{number}"
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Workers:
    """How gunicorn works, and how it is asked: a sync worker closes each connection."""

    name: str
    arguments: tuple[str, ...]
    connections: int
    requests_a_connection: int


SYNC = Workers("sync", ("--workers", "2", "--worker-class", "sync"), connections=4, requests_a_connection=1)
GTHREAD = Workers(
    "gthread",
    ("--workers", "2", "--worker-class", "gthread", "--threads", "4"),
    connections=8,
    requests_a_connection=REQUESTS_A_CONNECTION,
)


@dataclass(slots=True)
class Server:
    """A running one."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    workers: Workers
    log: Path

    def ask(self, seconds: float) -> dict[str, Any]:
        """Loads it for so long; what the client saw. Raises RuntimeError if an answer was no 200."""
        plan = Plan(
            self.port,
            seconds,
            self.workers.connections,
            run=uuid.uuid4().hex[:8],
            path=PATH,
            requests_a_connection=self.workers.requests_a_connection,
        )
        with driven(plan, self.log.parent) as load:
            seen = load.result()
        if seen.lost:
            raise RuntimeError(f"{self.name}: {seen.lost} requests failed; {self.log.read_text()[-2000:]}")
        requests, latencies = len(seen.answered), seen.latencies
        return {
            "requests": requests,
            "rate": seen.rate,
            "p50_ms": 1000 * quantile(latencies, 0.5),
            "p99_ms": 1000 * quantile(latencies, 0.99),
            "client_us": 1e6 * seen.cpu_seconds / requests,
        }

    def other_threads_seconds(self) -> float:
        """CPU seconds so far of all threads of the workers but their main ones, dead or alive."""
        seconds = 0.0
        for pid in self.pids():
            folder = Path("/proc") / str(pid)
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            seconds += (int(fields[11]) + int(fields[12])) / TICKS
            seconds -= int((folder / "task" / str(pid) / "schedstat").read_text().split()[0]) / 1e9
        return seconds

    def pids(self) -> list[int]:
        """Of its workers."""
        pid = self.process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def await_up(self) -> None:
        until = time.monotonic() + START_SECONDS
        while self.process.poll() is None and time.monotonic() < until:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not start: {self.log.read_text()[-2000:]}")


def environment(name: str, var_dir: Path) -> dict[str, str]:
    """What a process with these settings finds around it."""
    kept = {key: value for key, value in os.environ.items() if key != "PROMETHEUS_MULTIPROC_DIR"}
    module = "benchmarks.capture.settings" + ("" if name == "bare" else f".{name}")
    return {**kept, "DJANGO_SETTINGS_MODULE": module, "VAR_DIR": str(var_dir), "PYTHONPATH": str(ROOT)}


def migrate(name: str, var_dir: Path) -> None:
    """Makes the tables that these settings want."""
    command = [sys.executable, "-W", "ignore", "-m", "django", "migrate", "--run-syncdb", "-v", "0"]
    subprocess.run(  # noqa: S603  (made here)
        [*command, "--skip-checks"],
        cwd=ROOT,
        env=environment(name, var_dir),
        check=True,
    )


@contextmanager
def running(name: str, workers: Workers, var_dir: Path) -> Iterator[Server]:
    """The app with these settings below gunicorn, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "gunicorn", "benchmarks.capture.wsgi:application"]
    command += ["--bind", f"127.0.0.1:{port}", *workers.arguments, "--log-level", "warning"]
    command += ["--no-control-socket"]
    log = var_dir / f"{name}-{workers.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  (made here)
            command,
            cwd=ROOT,
            env=environment(name, var_dir),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        server = Server(name, port, process, workers, log)
        try:
            server.await_up()
            yield server
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
