"""Dead letters: what could not be counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Path, Query, Router
from pydantic import Field

from gateway import csv_table
from gateway.conf import conf
from stats.api.authentication import permitted
from stats.api.bounds import within_deadline
from stats.api.next_page import link_to_next
from stats.api.parameters import DEFAULT_LIMIT, Absent, Format, Limit, Parameters, Zone, zone_of
from stats.models import DeadLetter
from stats.reports.filters import MAX_LIMIT
from stats.reports.reading import reading

router = Router(tags=["Rows"], auth=permitted("stats.view_deadletter"))
router.add_decorator(within_deadline)

MAX_ID = 2**63 - 1
LISTED = (
    *("id", "event_id", "reason", "error", "deliveries", "first_failed_at", "last_failed_at"),
    *("state", "settled_at", "settled_by", "route", "note", "earlier_id"),  # what is new comes last, in CSV
)
Reason = Literal["undecodable", "schema", "too_old", "future", "collision", "exhausted", "late"]
State = Literal["dead", "redriven", "discarded"]


@dataclass(frozen=True)
class Letter:
    """A dead letter, without what was received."""

    id: int
    event_id: str | None  # if it could be read
    reason: Reason
    error: str
    deliveries: int  # times a consumer took it
    first_failed_at: datetime
    last_failed_at: datetime
    state: State
    settled_at: datetime | None  # when it was redriven or discarded
    settled_by: str
    route: str  # empty if it could not be read
    note: str  # why it was discarded
    earlier_id: int | None  # the letter whose redriven event came back as this one


@dataclass(frozen=True)
class LettersPage:
    """Dead letters, the newest first."""

    data_source: Literal["queue"]
    letters: tuple[Letter, ...]
    next_cursor: str | None  # None: this is the last page


@dataclass(frozen=True)
class LetterInFull(Letter):
    """A dead letter with all that is known of it."""

    payload: str  # as it was received; it need not be JSON
    traceback: str


class LettersParameters(Parameters):
    state: Literal["dead", "redriven", "discarded", "any"] = "dead"
    reason: Reason | Absent = None
    cursor: Annotated[str, Field(pattern="^[1-9][0-9]{0,17}$")] | Absent = Field(
        None, description="`next_cursor` of the page before."
    )
    limit: Limit | Absent = Field(None, description=f"Default {DEFAULT_LIMIT}; of a CSV table {MAX_LIMIT}.")
    zone: Zone = "UTC"
    format: Format = "json"


class LetterParameters(Parameters):
    zone: Zone = "UTC"


@router.get("/dead-letters", response=LettersPage, operation_id="dead_letters", summary="Dead letters")
def dead_letters(request: HttpRequest, response: HttpResponse, parameters: Query[LettersParameters]) -> Any:
    """A page of what could not be counted. The `Link` header leads to the next page."""
    is_table = parameters.format == "csv"
    zone = zone_of(parameters.zone)
    limit = parameters.limit or (MAX_LIMIT if is_table else DEFAULT_LIMIT)
    with reading():
        found = list(_newest(parameters, limit + 1))
    letters = tuple(_letter(one, zone) for one in found[:limit])
    cursor = str(letters[-1].id) if len(found) > limit else None
    rows = ([getattr(one, name) for name in LISTED] for one in letters)
    answer = csv_table.table("dead-letters", LISTED, rows) if is_table else response
    link_to_next(request, answer, "cursor", cursor)
    return answer if is_table else LettersPage("queue", letters, cursor)


@router.get(
    "/dead-letters/{letter_id}", response=LetterInFull, operation_id="dead_letter", summary="One dead letter"
)
def dead_letter(
    request: HttpRequest,
    letter_id: Annotated[int, Path(ge=1, le=MAX_ID)],
    parameters: Query[LetterParameters],
) -> Any:
    """A dead letter with its payload, as it was received, and the traceback."""
    zone = zone_of(parameters.zone)
    with reading():
        found = DeadLetter.objects.using(conf.database).filter(pk=letter_id).first()
    if found is None:
        raise Http404(f"There is no dead letter {letter_id}.")
    return LetterInFull(**vars(_letter(found, zone)), payload=found.payload, traceback=found.traceback)


def _newest(parameters: LettersParameters, limit: int) -> QuerySet[DeadLetter]:
    """The newest letters behind the cursor, by an index whatever the filter."""
    rows = DeadLetter.objects.using(conf.database).only(*LISTED)
    if parameters.cursor is not None:
        rows = rows.filter(pk__lt=int(parameters.cursor))
    states = DeadLetter.State.values if parameters.state == "any" else [parameters.state]
    reasons = DeadLetter.Reason.values if parameters.reason is None else [parameters.reason]
    if parameters.state == "any" and parameters.reason is None:
        return rows.order_by("-pk")[:limit]
    # The index has the order only within one state and reason: the newest of each, then the newest of those.
    each = [
        rows.filter(state=state, reason=reason).order_by("-pk")[:limit]
        for state in states
        for reason in reasons
    ]
    return each[0].union(*each[1:], all=True).order_by("-pk")[:limit] if each[1:] else each[0]


def _letter(row: DeadLetter, zone: ZoneInfo) -> Letter:
    values = {name: getattr(row, name) for name in LISTED}
    times = {name: value.astimezone(zone) for name, value in values.items() if isinstance(value, datetime)}
    return Letter(**{**values, **times})
