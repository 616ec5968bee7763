"""What writing an event to the journal costs the request's thread: `script/bench journal`.

Appends the same event many times in a fresh folder, each mode in turn, several rounds, and prints the
median of the rounds in microseconds an event.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time

from django.conf import settings

ROUNDS = 7


def measure(events: int) -> dict[str, float]:
    """Microseconds an event, by mode."""
    with tempfile.TemporaryDirectory() as folder:
        settings.configure(VAR_DIR=folder, CLIENT_HASH_KEY="bench", TRAFFIC_JOURNAL_BYTES=10**10)
        from gateway.conf import conf
        from gateway.facts import Facts, write_down
        from gateway.idempotency import hash_ip
        from gateway.journal import Journal

        facts = Facts(
            arrival=1_763_900_000_000,
            duration=12_345,
            status=200,
            response_bytes=5120,
            method="GET",
            path="/api/users/17",
            pattern="api/users/<int:pk>",
            client_ip_hash=hash_ip("192.0.2.1"),
            request_id="8f1e-FRA",
            host="shop.example.org",
            user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130",
            request_start="t=1763900000.000",
            country="DE",
        )
        line = write_down(facts) + b"\n"
        rounds: dict[str, list[float]] = {"os": [], "fsync": [], "off": []}
        for _ in range(ROUNDS):
            for mode, results in rounds.items():
                settings.TRAFFIC_JOURNAL = mode
                conf.forget()
                count = events // 100 if mode == "fsync" else events
                journal = Journal()
                started = time.perf_counter()
                for _ in range(count):
                    try:
                        journal.write(line)
                    except ValueError:
                        journal.append(line)
                results.append((time.perf_counter() - started) / count * 1e6)
                journal.stop()
    return {mode: round(statistics.median(results), 2) for mode, results in rounds.items()}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="script/bench journal", description=__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="events a round")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args(arguments)
    result = {"microseconds_an_event": measure(options.events), "target": 10.0}
    print(json.dumps(result, indent=None if options.json else 2))
    return 0
