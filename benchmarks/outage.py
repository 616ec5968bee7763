"""What an outage of PostgreSQL costs the requests: their latency before, during and after it.

Starts the whole system in a fresh folder, drives it with some clients, stops PostgreSQL (immediate), brings
it back, waits for the drain, and compares what was answered with what was counted. `script/bench outage`.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from gateway import embedded_postgres
from tests.integration.stack import Server, served

PHASES = ("before", "during", "after")


@dataclass
class Drive:
    """Clients with persistent connections, and the latencies they saw in each phase (seconds)."""

    server: Server
    rate: float  # requests a second of each client
    phase: str = "before"
    stopping: bool = False
    unanswered: int = 0
    latencies: dict[str, list[float]] = field(default_factory=lambda: {phase: [] for phase in PHASES})
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        while not self.stopping:
            started = time.perf_counter()
            try:
                connection.request("GET", f"/api/test/outage/n{next(self.numbers)}")
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                self.unanswered += 1
                connection.close()
            else:
                self.latencies[self.phase].append(time.perf_counter() - started)
            time.sleep(max(0.0, 1 / self.rate - (time.perf_counter() - started)))


def quantile(values: list[float], share: float) -> float:
    """Milliseconds."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


def measure(seconds: float, clients: int, rate: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "var") as (server,):
        drive = Drive(server, rate / clients)
        threads = [threading.Thread(target=drive.run) for _ in range(clients)]
        for thread in threads:
            thread.start()
        time.sleep(seconds)
        embedded_postgres.suspend(server.var_dir, "immediate")
        drive.phase = "during"
        time.sleep(seconds)
        embedded_postgres.resume(server.var_dir)
        drive.phase, back_at = "after", time.monotonic()
        time.sleep(seconds)
        drive.stopping = True
        for thread in threads:
            thread.join()
        answered = sum(map(len, drive.latencies.values()))
        drained = server.drained(answered, seconds=120)
        drain_seconds = time.monotonic() - back_at
        status = server.status()
        server.stop()
    latency = {
        phase: {f"p{share * 100:g}_ms": round(quantile(values, share), 2) for share in (0.5, 0.99, 0.999)}
        | {"max_ms": round(max(values) * 1000, 2), "requests": len(values)}
        for phase, values in drive.latencies.items()
    }
    return {
        "latency": latency,
        "p99_added_ms": round(latency["during"]["p99_ms"] - latency["before"]["p99_ms"], 2),
        "answered": answered,
        "unanswered": drive.unanswered,
        "counted": status["events"],
        "dropped": status["dropped"],
        "drained": drained,
        "drain_seconds": round(drain_seconds, 1),
    }


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="script/bench outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=15, help="length of each phase")
    parser.add_argument("--clients", type=int, default=4, help="connections at once")
    parser.add_argument("--rate", type=float, default=200, help="requests a second, all clients together")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(arguments)
    result = measure(options.seconds, options.clients, options.rate)
    print(json.dumps(result, indent=None if options.json else 2))
    return 0 if result["answered"] == result["counted"] and not result["unanswered"] else 1
