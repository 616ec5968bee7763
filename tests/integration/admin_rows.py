"""Rows for the admin's pages, made by the system itself: queue, consumer, collector, task queue."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta

from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task

from gateway import queue
from gateway.events import TrafficEvent, encode
from gateway.idempotency import generate_idempotent_id, hash_ip
from legacy_collector.collector import collect
from stats import daily
from stats.consumer import drain
from stats.models import (
    ArchivedFile,
    DeadLetter,
    ImportedHourly,
    JobRun,
    PathStatsHourly,
    Repair,
    TrafficDay,
    WorkerStart,
)

SCRIPT = "<script>alert(1)</script>"
IMAGE = '"><img src=x onerror=alert(1)>'
START = 1_763_900_000_000  # ms: 2025-11-23, 12:13 UTC
ROUTES = (
    ("/", "/"),
    ("/api/users", "/api/users"),
    ("/api/users/{id}", "/api/users/8c1f0e7a"),
    ("/v1/docs:batchGet", "/v1/docs:batchGet"),
    ("/api/orders/{id}/lines", "/api/orders/77120/lines"),
    ("/blog/{slug}", "/blog/" + "a-rather-long-title-of-a-post-" * 6),
    ("/商品/列表", "/商品/列表"),
)
AGENTS = ("curl/8.5.0", "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0", "")


def hostile() -> TrafficEvent:
    """What a client would send to run its own script in the admin."""
    return event(
        150, path=SCRIPT, route=SCRIPT, user_agent=IMAGE, host=IMAGE, request_id=IMAGE, method=IMAGE[:16]
    )


def event(number: int, **fields: object) -> TrafficEvent:
    route, path = ROUTES[number % len(ROUTES)]
    chance = random.Random(number)
    values: dict[str, object] = {
        "timestamp": START + number * 97_003,
        "path": path,
        "route": route,
        "method": chance.choice(("GET", "GET", "GET", "POST", "DELETE", "OPTIONS")),
        "status": chance.choice((200, 200, 200, 204, 301, 404, 404, 429, 500, 503)),
        "response_time": round(chance.lognormvariate(3, 1.5), 3),
        "client_ip_hash": hash_ip(f"192.0.2.{number % 9}"),
        "request_id": f"8f1e{number:012x}-FRA",
        "host": "shop.example.org",
        "user_agent": AGENTS[number % len(AGENTS)],
        "response_bytes": int(chance.lognormvariate(8, 3)),
        "country": chance.choice(("DE", "US", "")),
        **fields,
    }
    keys = (values[name] for name in ("timestamp", "client_ip_hash", "path", "request_id"))
    return TrafficEvent(**values, idempotent_id=generate_idempotent_id(*keys))


def fill() -> None:
    """Varied rows on every page; what can't be counted becomes dead letters on its way."""
    queue.send([encode(event(number)) for number in range(1, 120)])
    queue.send([encode(hostile())])
    queue.enqueue([(payload, 1) for payload in _poison()])
    drain()
    for day in TrafficDay.objects.values_list("day", flat=True):
        daily.roll_up(day)
    ArchivedFile.objects.create(
        day=date(2025, 11, 23),
        part=1,
        name="events/2025/11/23/part-0001.parquet",
        events=120,
        bytes=9_876,
        sha256="ab" * 32,
        first_id=event(1).idempotent_id,
        last_id=event(119).idempotent_id,
        day_version=1,
    )
    DeadLetter.objects.filter(pk=DeadLetter.objects.order_by("pk")[3].pk).update(
        traceback='Traceback (most recent call last):\n  File "stats/store.py", line 92, in store\n' + SCRIPT
    )
    collect([event(number) for number in range(1, 41)], {"dual"}, replay=False)
    collect([event(number) for number in range(30, 61)], {"fallback"}, replay=True)
    collect([hostile()], {"fallback", "sample"}, replay=True)
    _fill_starts()
    _fill_repairs()
    _fill_jobs()
    _import()
    _fill_queue()
    _fill_task_queue()


def _fill_jobs() -> None:
    now = timezone.now()
    for job, more in (
        ("verify_counts", {"ended_at": now, "exit_code": 1, "output": f"does not hold\n{SCRIPT}"}),
        (SCRIPT, {"ended_at": now, "output": IMAGE}),
        ("readiness", {"asked_by": SCRIPT, "host": SCRIPT, "pid": 4711, "arguments": [SCRIPT]}),
    ):
        JobRun.objects.create(job=job, **more)


def _import() -> None:
    """Hours before the first event, and the hour of that one."""
    first = datetime(2025, 11, 23, 9, tzinfo=UTC)
    for hours, route in ((0, "/legacy"), (1, SCRIPT), (2, "/商品/列表"), (3, "/legacy")):
        ImportedHourly.objects.create(
            route=route, hour=first + timedelta(hours=hours), requests=1_234, errors=12, source=IMAGE
        )
    assert PathStatsHourly.objects.filter(hour=first + timedelta(hours=3)).exists()


def _poison() -> list[str]:
    good = encode(event(500)).decode()
    return [
        SCRIPT,
        f'[{{"path": "{SCRIPT}", "v": 1}}]',
        "[" + good.replace('"status":', '"status":7') + "]",
        "[" + good.replace('"v":1', '"v":9') + "]",
        "[[]]",
        "{" * 300,
        *[
            "[" + encode(event(600 + n)).decode().replace('"response_time":', '"response_time":-') + "]"
            for n in range(30)
        ],
        *[f'[{{"idempotent_id": "{START + number}-0000abcd", "v": 1}}]' for number in range(30)],
    ]


def _fill_repairs() -> None:
    """In every state, of a known kind and of one that another version knows."""
    for kind, state, total, done, error in (
        ("redrive", "failed", 2_000, 1_200, f"DataError: {SCRIPT}"),
        ("discard", "done", 12, 12, ""),
        ("undo_redrive", "cancelled", None, 3, ""),
        (SCRIPT, "running", 100, 40, ""),
    ):
        Repair.objects.create(
            kind=kind,
            parameters={"filter": {"route": SCRIPT}, "newest": 9},
            by=IMAGE,
            note=SCRIPT,
            state=state,
            total=total,
            done=done,
            failed=1,
            error=error,
            finished_at=None if state == "running" else timezone.now(),
        )


def _fill_starts() -> None:
    for cause, reason in (
        ("started", ""),
        ("restarted by the supervisor", "the consumer shows no sign of life for 32 s, while work is due"),
        ("unexpected end", SCRIPT),
        ("recycled", ""),
    ):
        WorkerStart.objects.create(host="web-1.example.org", pid=4711, cause=cause, reason=reason)


def _fill_queue() -> None:
    for number in range(200, 232):
        queue.send([encode(event(number * 3 + part)) for part in range(number % 5 + 1)])
    queue.enqueue([(f"[{encode(hostile()).decode()},7,null]", 3), (SCRIPT, 1)])
    for claimed in queue.claim()[:6]:
        queue.retry(claimed, f"DataError: value out of range {SCRIPT}", delay=4)


def _fill_task_queue() -> None:
    now = timezone.now()
    OrmQ.objects.create(key=SCRIPT, payload="no signature holds here", lock=now)
    Schedule.objects.create(func="stats.tasks.consume", name=SCRIPT, schedule_type=Schedule.HOURLY)
    for number, succeeded in ((1, True), (2, False), (3, False)):
        Task.objects.create(
            id=f"{number:032x}",
            name=f"traffic-events {number}",
            func="stats.tasks.consume",
            started=now - timedelta(seconds=number),
            stopped=now,
            success=succeeded,
            result="fine"
            if succeeded
            else f"ValueError: {SCRIPT}\nTraceback (most recent call last):\n  ...",
            attempt_count=1,
        )
