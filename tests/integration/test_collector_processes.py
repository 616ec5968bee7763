"""The collector's SQLite file under several processes at once, and under a lock that somebody else holds."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connections

from legacy_collector.collector import CollectorRefused, collect, pending, readiness
from legacy_collector.models import CollectedEvent, CollectedHourly
from legacy_collector.retention import occupancy
from tests.integration.processes import ROOT, environment

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "legacy"]),
    pytest.mark.slow,
]

FALLBACK = {"fallback"}
PROCESSES, OWN, SHARED = 6, 300, 150

# What a gateway process does in an outage: hand over small batches, and try again what was refused.
WRITER = """
import sys
import django
django.setup()
from gateway.events import TrafficEvent
from gateway.idempotency import generate_idempotent_id
from legacy_collector.collector import CollectorRefused, collect

def event_of(number):
    timestamp = 1_763_900_000_000 + number
    id = generate_idempotent_id(timestamp, "0" * 16, "/", "request")
    return TrafficEvent(idempotent_id=id, timestamp=timestamp, path="/", route="/", method="GET",
        status=500 if number % 2 else 200, response_time=1.0, client_ip_hash="0" * 16, request_id="request")

process, own, shared = map(int, sys.argv[1:])
first = shared + process * own
events = [event_of(number) for number in [*range(first, first + own), *range(shared)]]
print("ready", flush=True)
sys.stdin.readline()
for start in range(0, len(events), 15):
    while True:
        try:
            collect(events[start:start + 15], {"fallback"}, replay=True)
            break
        except CollectorRefused:
            pass
"""

HOLDER = """
import sqlite3, sys, time
file = sqlite3.connect(sys.argv[1], isolation_level=None)
file.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
file.execute("COMMIT")
"""


@pytest.fixture(autouse=True)
def _recounted() -> None:
    occupancy.count()


def collector_file() -> str:
    return str(connections["legacy"].settings_dict["NAME"])


@contextmanager
def locked_elsewhere(seconds: float) -> Iterator[None]:
    """Another process holds the file's write lock for so long."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, collector_file(), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        yield
        holder.kill()


def test_six_processes_that_write_at_once_lose_nothing(tmp_path):
    env = environment(
        tmp_path,
        LEGACY_DATABASE_URL=f"sqlite:///{collector_file()}",
        # A writer never asks for it: the collector can't fail with the queue.
        DATABASE_URL="postgres://nobody@queue.invalid/none",
        SECRET_KEY="a writer that never asks for its key",
        PYTHONPATH=str(ROOT),
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(number), str(OWN), str(SHARED)],
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * PROCESSES
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        writer.communicate(timeout=60)

    assert [writer.returncode for writer in writers] == [0] * PROCESSES
    total = PROCESSES * OWN + SHARED
    assert CollectedEvent.objects.count() == total == pending()
    hour = CollectedHourly.objects.get()
    assert (hour.requests, hour.errors) == (total, total // 2)


def test_a_lock_of_one_second_is_waited_out(make_event: Callable):
    with locked_elsewhere(1.0):
        started = time.monotonic()
        assert collect([make_event()], FALLBACK, replay=True) == 1
        assert time.monotonic() - started > 0.5


def test_a_lock_beyond_the_timeout_is_a_refusal_in_time(make_event: Callable):
    event = make_event()
    with locked_elsewhere(30):
        started = time.monotonic()
        with pytest.raises(CollectorRefused, match="database is locked"):
            collect([event], FALLBACK, replay=True)
        assert time.monotonic() - started < 3.0
        assert readiness() == "legacy collector: database is locked"
        assert pending() == 0  # looking needs no lock

    assert collect([event], FALLBACK, replay=True) == 1


def test_what_was_committed_survives_the_death_of_its_process(tmp_path):
    env = environment(
        tmp_path,
        LEGACY_DATABASE_URL=f"sqlite:///{collector_file()}",
        DATABASE_URL="postgres://nobody@queue.invalid/none",
        SECRET_KEY="a writer that never asks for its key",
        PYTHONPATH=str(ROOT),
    )
    dying = WRITER + "\nimport os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    finished = subprocess.run(
        [sys.executable, "-c", dying, "0", "20", "0"], env=env, input="go\n", capture_output=True, text=True
    )

    assert finished.returncode == -9
    assert pending() == 20
