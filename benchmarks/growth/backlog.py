"""A backlog drains while gunicorn answers: what it costs the requests, and whether the worker stays small.

The worker is resumed and paused in turn, so that windows with and without it stand side by side. In half of
the windows clients ask at half of the rate that was reached without it; in the other half as fast as they are
answered, which on few cores says how the system shares them out rather than what the queue costs.
"""

from __future__ import annotations

import statistics
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.consumer.queued import queue_ours
from benchmarks.load import Plan, driven, quantile
from benchmarks.report import progress
from benchmarks.traffic import Hours
from tests.integration.stack import Server, served

CLIENTS = 4
SHARE = 0.5  # of the rate reached without a backlog that is offered
AT_ONCE = 50_000
PATIENCE_SECONDS = 300.0
SPARE_BATCHES = 100  # of what the clients themselves make meanwhile
_WAITING = "SELECT count(*) FROM gateway_queuedbatch"


def measure(var_dir: Path, hours: Hours, count: int, window: float) -> dict[str, Any]:
    """A window is so many seconds."""
    from stats import pausing

    with served(var_dir) as (server,):
        pausing.pause("benchmark")
        for _ in range(0, count, AT_ONCE):
            queue_ours(hours.take(min(AT_ONCE, count))[1])
        progress(f"backlog: {count:,} events wait")
        ask(server, 0, window)
        rate = SHARE * len(ask(server, 0, window)) / window
        windows, memory, seconds = _windows(server, rate, window)
        result = _result(windows) | {
            "drained": count,
            "drain_seconds": round(seconds, 1),
            "events_a_second": round(count / seconds),
            "offered_a_second": round(rate),
            "worker_bytes": memory[-1],
            "worker_grew_bytes": memory[-1] - memory[0],
        }
        server.stop()
    return result


def _windows(
    server: Server, rate: float, window: float
) -> tuple[list[dict[str, list[float]]], list[int], float]:
    """Latencies by kind of window, by round until nothing is left; the worker's memory; seconds drained."""
    rounds: list[dict[str, list[float]]] = []
    memory: list[int] = []
    seconds = 0.0
    left = _waiting(server)
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while left > SPARE_BATCHES and time.monotonic() < ends_at:
        found = {}
        for name, offered in (("offered", rate), ("most", 0.0)):
            found[name] = ask(server, offered, window)
            with _resumed():
                started = time.monotonic()
                found[f"{name}, draining"] = ask(server, offered, window)
                seconds += time.monotonic() - started
        left = _waiting(server)
        memory.append(_memory(server))
        # A window in which it came to its end would be half one, half the other.
        if left > SPARE_BATCHES or not rounds:
            rounds.append(found)
        progress(f"backlog: {left:,} batches left, { {name: len(each) for name, each in found.items()} }")
    return rounds, memory, seconds


@contextmanager
def _resumed() -> Iterator[None]:
    from stats import pausing

    pausing.resume("benchmark")
    try:
        yield
    finally:
        pausing.pause("benchmark")
        time.sleep(0.5)  # what is in work is finished


def _result(rounds: list[dict[str, list[float]]]) -> dict[str, Any]:
    def ratio(name: str) -> float:
        return statistics.median(len(each[f"{name}, draining"]) / len(each[name]) for each in rounds)

    def p99_ms(name: str) -> float:
        return round(1000 * statistics.median(quantile(each[name], 0.99) for each in rounds), 1)

    return {
        "rounds": len(rounds),
        "offered_ratio": ratio("offered"),
        "most_ratio": round(ratio("most"), 3),
        "p99_ms": p99_ms("offered"),
        "p99_ms, draining": p99_ms("offered, draining"),
    }


def ask(server: Server, rate: float, seconds: float) -> list[float]:
    """Latencies in seconds, sorted, of what was answered in a window; `rate` 0: as fast as it can be."""
    plan = Plan(server.port, seconds, CLIENTS, uuid.uuid4().hex[:8], rate)
    with driven(plan, server.var_dir) as load:
        answered = load.result().answered
    ends_at = min(one.due for one in answered) + seconds
    return sorted(one.at - one.due for one in answered if one.at <= ends_at)


def _waiting(server: Server) -> int:
    return int(server.rows(_WAITING)[0][0])


def _memory(server: Server) -> int:
    """Resident bytes of all the worker's processes."""
    return sum(
        int(line.split()[1]) * 1024
        for pid in server.pids("qcluster")
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS:")
    )
