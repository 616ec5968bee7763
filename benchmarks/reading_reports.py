"""The reports that `reading` measures, each as a page asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stats import reports, snapshot


def reports_to_ask() -> dict[str, Callable[[], Any]]:
    """By name, what asks for it. Needs events."""
    day, month = reports.Range.last("24h"), reports.Range.last("30d")
    cut = reports.Range.last("720h")  # begins in the middle of a day, so with hourly rows
    berlin = reports.Range.last("30d", "Europe/Berlin")
    busiest = reports.routes(day, limit=1).rows[0].route
    return {
        "overview 24h": lambda: reports.overview(day),
        "overview 30d": lambda: reports.overview(month),
        "overview 720h": lambda: reports.overview(cut),
        "hours 24h": lambda: reports.timeseries(day, "hour"),
        "hours 30d": lambda: reports.timeseries(month, "hour"),
        "days 30d": lambda: reports.timeseries(month, "day"),
        "days 30d, Berlin": lambda: reports.timeseries(berlin, "day"),
        "minutes 3h, from events": lambda: reports.timeseries(reports.Range.last("3h"), "minute"),
        "routes 24h": lambda: reports.routes(day),
        "routes 30d": lambda: reports.routes(month),
        "routes 720h": lambda: reports.routes(cut),
        "routes 30d by error rate": lambda: reports.routes(month, sort="error_rate"),
        "routes 24h by p95": lambda: reports.routes(day, sort="p95"),
        "routes 30d by p95": lambda: reports.routes(month, sort="p95"),
        "routes 24h by clients": lambda: reports.routes(day, sort="clients"),
        "routes 30d by clients": lambda: reports.routes(month, sort="clients"),
        "routes 30d with 5xx and a search": lambda: reports.routes(month, search="/r1", status_class="5xx"),
        "route 30d": lambda: reports.route(busiest, month),
        "top clients 30d": lambda: reports.top_values("client", month),
        "events, first page": lambda: reports.events(day),
        "snapshot, made": snapshot.refresh,
        "snapshot, read": snapshot.read,
    }
