"""Every request that a server answered is counted, once, however the server is made to end."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from django.db import connections

from gateway.events import decode, split_batch
from gateway.models import QueuedBatch
from legacy_collector.models import CollectedEvent
from stats.models import Event
from tests.integration.processes import ROOT, free_port, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
    pytest.mark.usefixtures("store"),
]

GUNICORN = (sys.executable, "-m", "gunicorn", "gateway.wsgi:application", "--no-control-socket", "--bind")
UVICORN = (sys.executable, "-m", "uvicorn", "gateway.asgi:application", "--log-level", "warning", "--port")
RUNSERVER = (sys.executable, str(ROOT / "manage.py"), "runserver")


def gunicorn(port: int, *options: str) -> list[str]:
    return [*GUNICORN, f"127.0.0.1:{port}", "--workers", "2", *options]


COMMANDS = {
    "gunicorn-sync": lambda port: gunicorn(port),
    "gunicorn-gthread": lambda port: gunicorn(port, "--threads", "4"),
    "gunicorn-preload": lambda port: gunicorn(port, "--preload"),
    "uvicorn": lambda port: [*UVICORN, str(port)],
    "runserver-noreload": lambda port: [*RUNSERVER, f"127.0.0.1:{port}", "--noreload"],
    "runserver": lambda port: [*RUNSERVER, f"127.0.0.1:{port}"],
}


class Server:
    """A real server on the running test's databases."""

    def __init__(self, kind: str, log: Path, settings: str = "tests.app_settings") -> None:
        self.port = free_port()
        self.log = log
        self.process = subprocess.Popen(
            COMMANDS[kind](self.port),
            cwd=ROOT,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": settings,
                "TALLYGATE_TEST_DATABASE": connections["default"].settings_dict["NAME"],
                "TALLYGATE_TEST_LEGACY": str(connections["legacy"].settings_dict["NAME"]),
            },
            stdin=subprocess.DEVNULL,
            stdout=log.open("wb"),
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def is_up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.ask("/healthz") == 200
        except OSError:
            return False

    def ask(self, path: str) -> int:
        """The answer's status, its body read to the end. Raises OSError or HTTPException."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def ends(self) -> bool:
        return wait_for(lambda: self.process.poll() is not None, 40)  # also where all cores are busy

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def serve(tmp_path):
    started: list[Server] = []

    def start(kind: str) -> Server:
        server = Server(kind, tmp_path / "server.log", "tests.integration.two_pages_settings")
        started.append(server)
        assert wait_for(server.is_up, 20), server.log.read_text()
        return server

    yield start
    for server in started:
        server.kill()


class Callers:
    """Threads that ask for one path after the other, and what was answered."""

    def __init__(self, server: Server, most: int = 10**6) -> None:
        self.answered: list[str] = []
        self.unanswered: list[str] = []
        self._server, self._most = server, most
        self._numbers = iter(range(most))
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(6)
        self._running = [self._pool.submit(self._run) for _ in range(6)]

    def _run(self) -> None:
        for number in self._numbers:
            path = f"/api/test/n{number}x"
            try:
                status = self._server.ask(path)
            except (OSError, http.client.HTTPException):
                self.unanswered.append(path)
                time.sleep(0.02)
            else:
                assert status == 200
                self.answered.append(path)
            if self._stop.is_set():
                return

    def finish(self) -> None:
        """Waits for all answers."""
        for running in self._running:
            running.result()
        self._pool.shutdown()

    def stop(self) -> None:
        self._stop.set()
        self.finish()


def counted() -> Counter[str]:
    """How often each path is counted: events by id, wherever they are."""
    payloads = QueuedBatch.objects.values_list("payload", flat=True)
    collected = CollectedEvent.objects.values_list("payload", flat=True)
    events = [decode(part) for payload in payloads for part in split_batch(payload)]
    found = {event.idempotent_id: event.path for event in [*events, *map(decode, collected)]}
    return Counter([*found.values(), *Event.objects.values_list("path", flat=True)])


def assert_each_answer_is_counted_once(callers: Callers, server: Server) -> None:
    counts = counted()
    missing = [path for path in callers.answered if counts[path] != 1]
    assert not missing, f"{len(missing)} of {len(callers.answered)}: {server.log.read_text()[-2000:]}"
    # One that was not answered may have been handled; but nothing is there twice or out of nowhere.
    assert set(counts) <= {*callers.answered, *callers.unanswered}
    assert set(counts.values()) == {1}


@pytest.mark.parametrize("kind", ["gunicorn-preload", "runserver"])  # the others below, under load
def test_a_server_that_is_terminated_has_counted_every_answer(serve, kind):
    server = serve(kind)
    callers = Callers(server, 100)
    callers.finish()
    assert len(callers.answered) == 100

    server.process.terminate()
    assert server.ends(), server.log.read_text()

    assert_each_answer_is_counted_once(callers, server)


@pytest.mark.parametrize("kind", ["gunicorn-sync", "gunicorn-gthread", "uvicorn", "runserver-noreload"])
def test_a_server_that_is_terminated_under_load_has_counted_every_answer(serve, kind):
    server = serve(kind)
    callers = Callers(server)
    time.sleep(0.7)
    server.process.terminate()
    assert server.ends(), server.log.read_text()
    callers.stop()

    assert len(callers.answered) > 50
    assert_each_answer_is_counted_once(callers, server)


@pytest.mark.parametrize("kind", ["gunicorn-sync", "uvicorn", "runserver", "runserver-noreload"])
def test_ctrl_c_counts_every_answer(serve, kind):
    server = serve(kind)
    callers = Callers(server, 100)
    callers.finish()

    os.killpg(server.process.pid, signal.SIGINT)  # a terminal sends it to the whole group
    assert server.ends(), server.log.read_text()

    assert_each_answer_is_counted_once(callers, server)


@pytest.mark.parametrize("kind", ["gunicorn-sync", "gunicorn-gthread"])
def test_a_graceful_reload_under_load_loses_nothing(serve, kind):
    server = serve(kind)
    callers = Callers(server)
    for _ in range(2):
        time.sleep(0.5)
        server.process.send_signal(signal.SIGHUP)
    time.sleep(1.5)
    callers.stop()
    server.process.terminate()
    assert server.ends(), server.log.read_text()

    assert len(callers.answered) > 50
    assert_each_answer_is_counted_once(callers, server)


def test_preloaded_workers_count_apart_from_each_other(serve):
    server = serve("gunicorn-preload")
    callers = Callers(server, 60)
    callers.finish()
    assert wait_for(lambda: sum(counted().values()) == 60, 5)
    assert_each_answer_is_counted_once(callers, server)
