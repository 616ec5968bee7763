"""Varied traffic of three days, and the plain way to count it: what the reports must agree with."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from gateway.events import TrafficEvent
from gateway.idempotency import hash_ip
from stats.reports import Range

FIRST = datetime(2025, 11, 21, tzinfo=UTC)
END = datetime(2025, 11, 24, tzinfo=UTC)
ROUTES = ("/api/items/{id}", "/api/users", "/v1/docs:batchGet", "/slow", "(not found)", "(other)", "/a_b%c")
AGENTS = ("curl/8.5.0", "pytest", "")


def at(hours: float) -> datetime:
    """So many hours after the first midnight."""
    return FIRST + timedelta(hours=hours)


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def traffic(make_event: Callable[..., TrafficEvent], count: int = 600) -> list[TrafficEvent]:
    """Requests spread over the three days, more to the first routes."""
    chance = random.Random(4)
    first, end = milliseconds(FIRST), milliseconds(END)
    events = []
    for number in range(count):
        route = chance.choices(ROUTES, (8, 5, 4, 2, 2, 1, 1))[0]
        events.append(
            make_event(
                timestamp=first + (end - first) * number // count + chance.randrange(1000),
                route=route,
                path=f"/some/path/{number}",
                method=chance.choice(("GET", "GET", "POST")),
                status=404 if route == "(not found)" else chance.choice((200, 200, 204, 302, 404, 500)),
                response_time=round(chance.lognormvariate(4 if route == "/slow" else 2, 1), 3),
                client_ip_hash=hash_ip(f"192.0.2.{chance.randrange(40)}"),
                user_agent=chance.choice(AGENTS),
                country=chance.choice(("DE", "US", "")),
                response_bytes=chance.randrange(5000),
            )
        )
    return events


def within(events: Iterable[TrafficEvent], period: Range) -> list[TrafficEvent]:
    first, end = milliseconds(period.start), milliseconds(period.end)
    return [event for event in events if first <= event.timestamp < end]


def quantile(events: Sequence[TrafficEvent], rank: float) -> float:
    """The nearest rank, in ms."""
    times = sorted(event.response_time for event in events)
    return times[math.ceil(rank * len(times)) - 1]


def clients(events: Iterable[TrafficEvent]) -> int:
    return len({event.client_ip_hash for event in events})


def errors(events: Iterable[TrafficEvent]) -> int:
    return sum(event.status >= 400 for event in events)


def by_route(events: Iterable[TrafficEvent]) -> dict[str, list[TrafficEvent]]:
    found: dict[str, list[TrafficEvent]] = {}
    for event in events:
        found.setdefault(event.route, []).append(event)
    return found


def counted(values: Iterable[str]) -> list[tuple[str, int]]:
    """The most frequent first, equal ones in the order of their text."""
    return sorted(Counter(values).items(), key=lambda item: (-item[1], item[0]))
