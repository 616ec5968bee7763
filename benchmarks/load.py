"""A web server under load: what is to be asked of it, the client that asks, and what the client saw.

    with driven(Plan(port, seconds=10, connections=16, run="a", rate=500), folder) as load:
        print(load.result().rate)

The client is a process of its own (`benchmarks.load_client`). It asks on a schedule (open loop), or as fast
as it is answered (closed loop). On a schedule a request that finds no idle connection waits for one and is
not forgotten: its latency counts from the moment it was due.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

PATIENCE_SECONDS = 20.0  # for answers, after the last request was due
START_SECONDS = 30.0  # for the client to start and to write what it saw
# After so many a connection is made anew, as proxies do. Kept for ever, most of them may happen to be one web
# process's, and the other one idles.
REQUESTS_A_CONNECTION = 50


@dataclass(frozen=True, slots=True)
class Plan:
    """What to send."""

    port: int
    seconds: float
    connections: int
    run: str  # told in each request id, so that no two runs share one
    rate: float = 0.0  # requests a second; 0: a closed loop
    starts_at: float = 0.0  # CLOCK_MONOTONIC; 0: as soon as the client is up
    path: str = "/api/test/r{route}"  # {route}: one of a hundred; {number}: the request's own
    requests_a_connection: int = REQUESTS_A_CONNECTION  # 1: closed after each answer
    cores: tuple[int, ...] = ()  # that the client may use; none: all
    late_seconds: float = 1.0  # after which an answer is a late one
    late_at_most: int | None = None  # after more late answers the client gives up

    def is_due(self, number: int) -> float:
        """When the request of that number is to be sent."""
        return self.starts_at + number / self.rate

    @property
    def ends_at(self) -> float:
        return self.starts_at + self.seconds


def request_id(run: str, number: int) -> str:
    """As long as nginx's."""
    return f"{run}-{number:0{31 - len(run)}d}"


@dataclass(frozen=True, slots=True)
class Answered:
    """One request: its number, when it was due and when its answer was there (CLOCK_MONOTONIC)."""

    number: int
    due: float
    at: float


@dataclass(frozen=True, slots=True)
class Result:
    """What the client saw."""

    answered: list[Answered]
    sent: int
    cpu_seconds: float

    @property
    def lost(self) -> int:
        """Requests that were sent and got no answer."""
        return self.sent - len(self.answered)

    @property
    def latencies(self) -> list[float]:
        """Seconds from due to answered, sorted."""
        return sorted(one.at - one.due for one in self.answered)

    @property
    def rate(self) -> float:
        """Answers a second, from when the first request was due to the last answer."""
        first, last = min(one.due for one in self.answered), max(one.at for one in self.answered)
        return len(self.answered) / (last - first)


def quantile(ordered: list[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Load:
    """The client at work."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.path = folder / f"load-{plan.run}"
        self.ends_at = max(plan.starts_at, time.monotonic()) + plan.seconds
        command = [sys.executable, "-m", "benchmarks.load_client", json.dumps(asdict(plan)), str(self.path)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603

    def result(self) -> Result:
        """Waits for its end. Raises RuntimeError if it failed."""
        patience = self.ends_at - time.monotonic() + PATIENCE_SECONDS + START_SECONDS
        if self.process.wait(patience):
            raise RuntimeError("the load client failed")
        numbers = array("d", self.path.read_bytes())
        self.path.unlink()
        sent, cpu_seconds = int(numbers.pop(0)), numbers.pop(0)
        rows = zip(numbers[0::3], numbers[1::3], numbers[2::3], strict=True)
        return Result([Answered(int(number), due, at) for number, due, at in rows], sent, cpu_seconds)


@contextmanager
def driven(plan: Plan, folder: Path) -> Iterator[Load]:
    """The client at work; ended with the block."""
    load = Load(plan, folder)
    try:
        yield load
    finally:
        load.process.kill()
        load.process.wait()
