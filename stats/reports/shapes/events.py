"""Single requests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from stats.reports.shapes.figures import Coverage, DataSource


@dataclass(frozen=True)
class Event:
    """One request. `gateway.events` says what each field means."""

    idempotent_id: str
    occurred_at: datetime
    path: str
    route: str
    method: str
    status: int
    response_time: float  # ms
    client_ip_hash: str
    request_id: str
    host: str
    user_agent: str
    response_bytes: int
    country: str


@dataclass(frozen=True)
class EventsPage:
    """Events, newest first.

    A page may hold fewer than asked for, even none, and still have a `next_cursor`: a bounded number of
    events is looked through for one page, and the cursor goes on where that ended.
    """

    coverage: Coverage
    data_source: DataSource
    events: tuple[Event, ...]
    next_cursor: str | None  # the id to go on after; None: the end of the range was reached


@dataclass(frozen=True)
class Notable:
    """Of the newest `looked_at` events of a route: the slowest first, and the errors, newest first."""

    slowest: tuple[Event, ...]
    errors: tuple[Event, ...]
    looked_at: int
