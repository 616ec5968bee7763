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
        from gateway.events import TrafficEvent, encode
        from gateway.idempotency import generate_idempotent_id, hash_ip
        from gateway.journal import Journal

        client = hash_ip("192.0.2.1")
        encoded = encode(
            TrafficEvent(
                idempotent_id=generate_idempotent_id(1_763_900_000_000, client, "/api/users/17", "8f1e-FRA"),
                timestamp=1_763_900_000_000,
                path="/api/users/17",
                route="/api/users/{id}",
                method="GET",
                status=200,
                response_time=12.345,
                client_ip_hash=client,
                request_id="8f1e-FRA",
                host="shop.example.org",
                user_agent="Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/130",
                response_bytes=5120,
                country="DE",
            )
        )
        rounds: dict[str, list[float]] = {"os": [], "fsync": [], "off": []}
        for _ in range(ROUNDS):
            for mode, results in rounds.items():
                settings.TRAFFIC_JOURNAL = mode
                conf.forget()
                count = events // 100 if mode == "fsync" else events
                journal = Journal()
                started = time.perf_counter()
                for _ in range(count):
                    journal.append(encoded, False)
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
