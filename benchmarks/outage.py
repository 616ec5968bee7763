"""What an outage of PostgreSQL costs the requests: their latency before, during and after it.

Starts the whole system in a fresh folder, drives it with some clients, stops PostgreSQL (immediate), brings
it back, waits for the drain, and compares what was answered with what was counted. `script/bench outage`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from benchmarks.load import Plan, Result, driven, quantile
from gateway import embedded_postgres
from tests.integration.stack import served

SPARE_SECONDS = 10.0  # that PostgreSQL takes to stop and to start, at most
PHASES = ("before", "during", "after")


def measure(seconds: float, clients: int, rate: float) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "var") as (server,):
        lasts, starts_at = 3 * seconds + SPARE_SECONDS, time.monotonic() + 1
        plan = Plan(server.port, lasts, clients, "outage", rate, starts_at, "/api/test/n{number}")
        with driven(plan, Path(folder)) as load:
            time.sleep(plan.starts_at + seconds - time.monotonic())
            stopped_at = time.monotonic()
            embedded_postgres.suspend(server.var_dir, "immediate")
            time.sleep(seconds)
            embedded_postgres.resume(server.var_dir)
            back_at = time.monotonic()
            seen = load.result()
        drained = server.drained(len(seen.answered), seconds=120)
        drain_seconds = time.monotonic() - back_at
        status = server.status()
        server.stop()
    latency = _by_phase(seen, [plan.starts_at, stopped_at, back_at, float("inf")])
    return {
        "latency": latency,
        "p99_added_ms": round(latency["during"]["p99_ms"] - latency["before"]["p99_ms"], 2),
        "answered": len(seen.answered),
        "unanswered": seen.lost,
        "counted": status["events"],
        "dropped": status["dropped"],
        "drained": drained,
        "drain_seconds": round(drain_seconds, 1),
    }


def _by_phase(seen: Result, edges: list[float]) -> dict[str, dict[str, float]]:
    """Latencies of the requests that were due in each phase."""
    phases = {}
    for name, (start, end) in zip(PHASES, pairwise(edges), strict=True):
        ordered = sorted(1000 * (one.at - one.due) for one in seen.answered if start <= one.due < end)
        phases[name] = {
            f"p{share * 100:g}_ms": round(quantile(ordered, share), 2) for share in (0.5, 0.99, 0.999)
        }
        phases[name] |= {"max_ms": round(ordered[-1], 2), "requests": len(ordered)}
    return phases


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
