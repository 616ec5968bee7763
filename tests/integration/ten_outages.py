"""Run by a test, in a process and with a PostgreSQL of its own: the server stops under a batch, ten times.

Its VAR_DIR is a prepared one. Prints one JSON object with what became of the batch.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import django

django.setup()

from django.conf import settings  # noqa: E402

from gateway import embedded_postgres, queue  # noqa: E402
from gateway.events import TrafficEvent, encode  # noqa: E402
from gateway.idempotency import generate_idempotent_id, hash_ip  # noqa: E402
from stats import consumer as consumer_module  # noqa: E402
from stats.models import DeadLetter, Event, PathStatsHourly  # noqa: E402

OUTAGES = 10


def event(number: int) -> bytes:
    client, path, request_id = hash_ip("192.0.2.7"), f"/n{number}", f"r{number}"
    timestamp = 1_763_900_000_000 + number
    return encode(
        TrafficEvent(
            idempotent_id=generate_idempotent_id(timestamp, client, path, request_id),
            timestamp=timestamp,
            path=path,
            route="/n",
            method="GET",
            status=200,
            response_time=1.0,
            client_ip_hash=client,
            request_id=request_id,
        )
    )


def main() -> None:
    embedded_postgres.ensure_running(settings.VAR_DIR)
    logging.disable(logging.WARNING)
    queue.send([event(number) for number in range(100)])
    consumer = consumer_module.Consumer()
    really_store = consumer_module.store
    outages = 0

    def store_without_a_server(events: Any, beside: Any) -> Any:
        nonlocal outages
        if outages < OUTAGES:
            outages += 1
            embedded_postgres.suspend(settings.VAR_DIR, "immediate")
        return really_store(events, beside)

    consumer_module.store = store_without_a_server
    for _ in range(OUTAGES):
        consumer.drain()
        consumer.drain()  # and once more while nobody is there
        embedded_postgres.resume(settings.VAR_DIR)
    consumer.drain()
    print(
        json.dumps(
            {
                "outages": outages,
                "events": Event.objects.count(),
                "requests": sum(PathStatsHourly.objects.values_list("requests", flat=True)),
                "dead_letters": DeadLetter.objects.count(),
                "queued": queue.depth().batches,
            }
        )
    )


main()
