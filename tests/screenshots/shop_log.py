"""A week of a shop's access log, the same for the same moment: what the pictures show.

Nights and weekends are quiet; in one hour of yesterday orders fail and are slow.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import datetime, timedelta

DAYS = 15
REQUESTS_AN_HOUR = 400  # of a usual weekday, on average
# Target (with a number for each {}), method, weight, median ms, bytes.
ROUTES = (
    ("/api/products/{}", "GET", 30, 22, 2_400),
    ("/api/products?page={}", "GET", 18, 48, 14_000),
    ("/api/search?q=shoes{}", "GET", 12, 95, 9_000),
    ("/api/cart", "GET", 11, 15, 900),
    ("/api/cart/items", "POST", 7, 31, 300),
    ("/api/orders", "POST", 4, 140, 700),
    ("/api/orders/{}", "GET", 6, 35, 1_600),
    ("/api/users/me", "GET", 8, 9, 400),
    ("/api/sessions", "POST", 2, 210, 250),
    ("/api/recommendations/{}", "GET", 5, 320, 5_000),
)
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/145.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) Chrome/142.0",
    "ShopApp/4.2 (iPhone; iOS 19.1)",
    "ShopApp/4.1 (Android 14)",
    "python-requests/2.32",
    "Googlebot/2.1",
)
NETWORKS = ("192.0.2", "198.51.100", "203.0.113")  # for documentation


def lines(until: datetime) -> Iterator[str]:
    """In order, in nginx's combined form and `$request_time`. The hour of `until` is as full as it is old."""
    chance = random.Random(20)
    hour = until.replace(minute=0, second=0, microsecond=0) - timedelta(days=DAYS)
    failing = until.replace(minute=0, second=0, microsecond=0) - timedelta(hours=20)
    while hour <= until:
        times = sorted(
            hour + timedelta(seconds=chance.uniform(0, 3600)) for _ in range(_requests(chance, hour))
        )
        for moment in times:
            if moment <= until:
                yield _line(chance, moment, is_failing=hour == failing)
        hour += timedelta(hours=1)


def _requests(chance: random.Random, hour: datetime) -> int:
    daylight = 1 - 0.75 * math.cos((hour.hour - 3) / 24 * 2 * math.pi)
    weekend = 0.6 if hour.weekday() >= 5 else 1.0
    return round(REQUESTS_AN_HOUR * daylight * weekend * chance.uniform(0.9, 1.1))


def _line(chance: random.Random, moment: datetime, *, is_failing: bool) -> str:
    weights = [route[2] for route in ROUTES]
    target, method, _, median, size = chance.choices(ROUTES, weights)[0]
    slow = 6 if is_failing and "orders" in target else 1
    took = median * slow * chance.lognormvariate(0, 0.6) / 1000
    client = int(600 * chance.random() ** 2)
    address = f"{NETWORKS[client // 200]}.{client % 200 + 1}"
    return (
        f"{address} - - [{moment:%d/%b/%Y:%H:%M:%S} +0000]"
        f' "{method} {target.format(chance.randrange(1, 5000))} HTTP/1.1"'
        f" {_status(chance, method, target, is_failing)} {round(size * chance.lognormvariate(0, 0.4))}"
        f' "-" "{AGENTS[client % len(AGENTS)]}" {took:.3f}'
    )


def _status(chance: random.Random, method: str, target: str, is_failing: bool) -> int:
    if is_failing and "orders" in target and chance.random() < 0.4:
        return 503
    usual = 201 if method == "POST" else 200
    return chance.choices((usual, 304, 404, 401, 500), (93, 3, 2.4, 1.2, 0.4))[0]
