"""The tasks: by django-q2 as they are, by procrastinate as its jobs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import F
from procrastinate.contrib.django import app

from benchmarks.plain.models import Event, HourlyCount

HOUR_MS = 3_600_000

_ADD = """
INSERT INTO plain_hourlycount AS present (hour, route, requests, errors, response_time_sum)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[], %s::bigint[], %s::float8[])
ON CONFLICT (hour, route) DO UPDATE SET
    requests = present.requests + excluded.requests,
    errors = present.errors + excluded.errors,
    response_time_sum = present.response_time_sum + excluded.response_time_sum
"""


def store_one(event: Mapping[str, Any]) -> None:
    """One event, by the ORM: its row, and its hour one higher."""
    hour = event["timestamp"] // HOUR_MS * HOUR_MS
    with transaction.atomic():
        Event.objects.create(**event)
        counted, _ = HourlyCount.objects.get_or_create(hour=hour, route=event["route"])
        HourlyCount.objects.filter(pk=counted.pk).update(
            requests=F("requests") + 1,
            errors=F("errors") + int(event["status"] >= 400),
            response_time_sum=F("response_time_sum") + event["response_time"],
        )


def store_many(events: Sequence[Mapping[str, Any]]) -> None:
    """Many at once: a bulk insert, and one upsert of their sums."""
    sums: dict[tuple[int, str], list[float]] = defaultdict(lambda: [0, 0, 0.0])
    for event in events:
        of_hour = sums[event["timestamp"] // HOUR_MS * HOUR_MS, event["route"]]
        of_hour[0] += 1
        of_hour[1] += event["status"] >= 400
        of_hour[2] += event["response_time"]
    keys = sorted(sums)  # two workers that lock the same rows do so in the same order
    columns = [
        *map(list, zip(*keys, strict=True)),
        *map(list, zip(*map(sums.__getitem__, keys), strict=True)),
    ]
    with transaction.atomic():
        Event.objects.bulk_create([Event(**event) for event in events], ignore_conflicts=True)
        with connection.cursor() as cursor:
            cursor.execute(_ADD, columns)


@app.task(name="store_one")
def store_one_job(event: dict[str, Any]) -> None:
    store_one(event)


@app.task(name="store_many")
def store_many_job(events: list[dict[str, Any]]) -> None:
    store_many(events)
