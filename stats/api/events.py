"""Events: single requests, a page at a time, or as a table of many."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Query, Router
from pydantic import Field

from gateway import csv_table
from gateway.events import MAX_PATH
from stats import reports
from stats.api.authentication import permitted
from stats.api.bounds import within_deadline
from stats.api.next_page import link_to_next
from stats.api.parameters import DEFAULT_LIMIT, Absent, Format, Limit, Method, Period, Route, StatusClass
from stats.reports.errors import ReportTimedOut
from stats.reports.filters import MAX_LIMIT
from stats.reports.shapes import Event, EventsPage

router = Router(tags=["Rows"], auth=permitted("stats.view_event"))
router.add_decorator(within_deadline)

MAX_TABLE = 100_000  # events of one table
TABLE_SECONDS = 60.0  # for all of it; with a rare filter one could look through every event there is
COLUMNS = (
    *("idempotent_id", "occurred_at", "method", "path", "route", "status", "response_time"),
    *("response_bytes", "client_ip_hash", "country", "request_id", "host", "user_agent"),
)
UNITS = {"response_time": "response_time_ms"}


class EventsParameters(Period):
    route: Route | Absent = None
    path_prefix: str = Field("", max_length=MAX_PATH)
    status_class: StatusClass | Absent = None
    method: Method | Absent = None
    client: Annotated[str, Field(pattern="^[0-9a-f]{16}$")] | Absent = Field(None, description="Its hash.")
    cursor: Annotated[str, Field(pattern="^[0-9]{13}-[0-9a-f]{8}$")] | Absent = Field(
        None, description="`next_cursor` of the page before."
    )
    limit: Limit | Absent = Field(None, description=f"Default {DEFAULT_LIMIT}; of a CSV table {MAX_TABLE:,}.")
    format: Format = "json"


@router.get("/events", response=EventsPage, operation_id="events", summary="Requests, newest first")
def events(request: HttpRequest, response: HttpResponse, parameters: Query[EventsParameters]) -> Any:
    """A page of events, as far back as they are kept. The `Link` header leads to the next page.

    A CSV table is sent while it is read. One of the greatest length may go on: `cursor` is then its last id.
    """
    read = partial(
        reports.events,
        parameters.range(),
        route=parameters.route,
        path_prefix=parameters.path_prefix,
        status_class=parameters.status_class,
        method=parameters.method,
        client=parameters.client,
    )
    if parameters.format == "csv":
        return _table(request, read, parameters.cursor, parameters.limit or MAX_TABLE)
    page = read(cursor=parameters.cursor, limit=parameters.limit or DEFAULT_LIMIT)
    link_to_next(request, response, "cursor", page.next_cursor)
    return page


def _table(
    request: HttpRequest, read: Callable[..., EventsPage], cursor: str | None, most: int
) -> StreamingHttpResponse:
    # Before the answer begins, so that what can't be read is a problem and not a broken table.
    first = read(cursor=cursor, limit=MAX_LIMIT)
    header = [UNITS.get(name, name) for name in COLUMNS]
    found = islice(_from(read, first), most)
    rows = ([getattr(event, name) for name in COLUMNS] for event in found)
    return csv_table.stream(request, "events", header, rows)


def _from(read: Callable[..., EventsPage], page: EventsPage) -> Iterator[Event]:
    """Events of this page and of those after it; each is a transaction of its own. Raises ReportTimedOut."""
    read = within_deadline(read)
    ends_at = time.monotonic() + TABLE_SECONDS
    yield from page.events
    while page.next_cursor is not None:
        if time.monotonic() > ends_at:
            raise ReportTimedOut(f"the table took longer than {TABLE_SECONDS:g} s")
        page = read(cursor=page.next_cursor, limit=MAX_LIMIT)
        yield from page.events
