"""The whole system as a user starts it, for tests that look at it from outside."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

from gateway import embedded_postgres
from tests.integration import prepared
from tests.integration.processes import ROOT, environment, free_port, kill_all, processes_of, wait_for


class Server:
    """`manage.py serve` in a folder of its own, its output in a file."""

    def __init__(self, var_dir: Path, **extra: str) -> None:
        self.var_dir = var_dir
        self.extra = extra
        self.port = free_port()
        self.log = var_dir.with_suffix(".log")
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "serve"],
                cwd="/",
                env=environment(var_dir, PORT=str(self.port), **extra),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def output(self) -> str:
        return self.log.read_text()

    def await_up(self) -> None:
        up = f"http://127.0.0.1:{self.port}/admin/"
        assert wait_for(lambda: up in self.output() or self.process.poll() is not None, 60), self.output()
        assert up in self.output(), self.output()

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def pids(self, *words: str) -> list[int]:
        """Processes of this server whose command has all of the words, oldest first."""
        found = processes_of(self.var_dir)
        return sorted(
            pid
            for pid, command in found.items()
            if all(word in command for word in words) and "process_group" not in command
        )

    def settled(self, *words: str) -> list[int]:
        """As `pids`, once they have been the same for half a second: at a start, forks come and go."""
        for _ in range(40):
            before = self.pids(*words)
            time.sleep(0.5)
            if before and self.pids(*words) == before:
                return before
        raise AssertionError(f"{words}: {self.pids(*words)}")

    def replaced(self, before: list[int], words: tuple[str, ...]) -> bool:
        """Whether there are such processes again, and none of the old ones."""
        now = self.pids(*words)
        return bool(now) and not set(now) & set(before)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A management command of this instance, to its end."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            cwd="/",
            env=environment(self.var_dir, **self.extra),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def status(self) -> dict[str, Any]:
        """What `pipeline_status --json` prints."""
        done = self.manage("pipeline_status", "--json")
        assert done.stdout, done.stderr
        figures: dict[str, Any] = json.loads(done.stdout)
        return figures

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What its PostgreSQL answers, or [] where it has nothing to fetch."""
        with self.connect() as connection:
            cursor = connection.execute(sql, parameters)
            return cursor.fetchall() if cursor.description else []

    def connect(self, **options: Any) -> psycopg.Connection[Any]:
        """A session of its PostgreSQL, autocommit unless asked. Raises psycopg.OperationalError."""
        entry = embedded_postgres.connection_settings(self.var_dir)
        defaults = {"application_name": "tests", "connect_timeout": 5, "autocommit": True}
        return psycopg.connect(
            host=entry["HOST"],
            port=entry["PORT"],
            user=entry["USER"],
            dbname=entry["NAME"],
            **{**defaults, **options},
        )

    def drained(self, events: int, seconds: float = 30.0) -> bool:
        """Whether exactly so many events are stored and nothing waits in the queue, within `seconds`."""
        sql = "SELECT (SELECT count(*) FROM stats_event), (SELECT count(*) FROM gateway_queuedbatch)"
        return wait_for(lambda: self.rows(sql) == [(events, 0)], seconds)

    def stop(self, seconds: float = 40) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


@contextlib.contextmanager
def served(*var_dirs: Path, first_start: bool = False, **extra: str) -> Iterator[list[Server]]:
    """Whole systems, one a folder, with `extra` in their environment; killed at the end.

    In an empty folder each finds what a first start would have made, unless the test is about that.
    """
    for var_dir in () if first_start else var_dirs:
        prepared.lay(var_dir)
    servers = [Server(var_dir, **extra) for var_dir in var_dirs]
    try:
        for server in servers:
            server.await_up()
        yield servers
    finally:
        for server in servers:
            server.process.kill()
            server.process.wait()
            kill_all(server.var_dir)
