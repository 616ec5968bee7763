"""Which batches a person means, what is known of them, and what he may do to them while they wait.

Whatever is done here leaves alone what a consumer has claimed just now, and never waits for it: its lease
runs, or its row is locked. Where a lease has ended, the row decides: who takes it out first has its events,
since the consumer counts only what it still holds (`hold`), and deletes it in the same transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F, Func, IntegerField, Q, QuerySet
from django.db.models.functions import Least, Now

from gateway.conf import conf
from gateway.models import QueuedBatch
from gateway.queue import doorbell
from gateway.queue.transactions import LOCK_SECONDS, bounded_transaction

CAP = 10_000  # batches that a survey looks at
SURVEY_SECONDS = 2.0
AT_ONCE = 1_000  # batches that one call makes due
CANDIDATES = 200  # batches that one `take` looks at
TAKE_BYTES = 8_000_000  # payload that is taken together at most

KINDS: Mapping[str, Q] = {
    "new": Q(first_failed_at=None, origin=None),
    "failed": ~Q(first_failed_at=None),
    "part": ~Q(origin=None),
}
UNDER_WAY = Q(claim__isnull=False, visible_at__gt=Now())


@dataclass(frozen=True, slots=True)
class Selection:
    """All batches, unless narrowed: to these ids, to a kind of `KINDS`, to what entered up to a moment."""

    ids: tuple[int, ...] = ()
    kind: str = ""
    before: datetime | None = None
    behind: int = 0  # where somebody who works through them is

    def rows(self) -> QuerySet[QueuedBatch]:
        rows = QueuedBatch.objects.using(conf.database).all()
        if self.behind:
            rows = rows.filter(pk__gt=self.behind)
        if self.ids:
            rows = rows.filter(pk__in=self.ids)
        if self.kind:
            rows = rows.filter(KINDS[self.kind])
        # By the time, which parts keep of their whole: whatever becomes of a batch meanwhile, it is meant.
        return rows.filter(created_at__lte=self.before) if self.before else rows

    def as_parameters(self) -> dict[str, Any]:
        """As JSON."""
        before = self.before.isoformat() if self.before else None
        return {"ids": list(self.ids), "kind": self.kind, "before": before}

    @classmethod
    def of_parameters(cls, found: Mapping[str, Any]) -> Selection:
        before = datetime.fromisoformat(found["before"]) if found["before"] else None
        return cls(tuple(found["ids"]), found["kind"], before)


@dataclass(frozen=True, slots=True)
class Survey:
    """What is known of a selection's batches: of the `CAP` that entered first, if there are more."""

    at: datetime  # by the database's clock
    batches: int
    events: int
    oldest_seconds: float
    due: int
    under_way: int
    failed: int  # at least once
    most_deliveries: int
    next_at: datetime | None  # when the first of those that wait is due
    is_capped: bool


_SURVEY = """
SELECT statement_timestamp(), least(count(*), {cap}), coalesce(sum(events), 0)::bigint,
       coalesce(extract(epoch FROM statement_timestamp() - min(created_at)), 0)::float8,
       count(*) FILTER (WHERE visible_at <= statement_timestamp()),
       count(*) FILTER (WHERE visible_at > statement_timestamp() AND claim IS NOT NULL),
       count(*) FILTER (WHERE first_failed_at IS NOT NULL),
       coalesce(max(deliveries), 0),
       min(visible_at) FILTER (WHERE visible_at > statement_timestamp() AND claim IS NULL),
       count(*) > {cap}
FROM ({rows}) AS found
"""
_SURVEYED = ("id", "events", "created_at", "visible_at", "claim", "first_failed_at", "deliveries")


def survey(selection: Selection) -> Survey:
    """Bounded in rows and in time. Raises django.db.Error."""
    rows = selection.rows().order_by("id").values_list(*_SURVEYED)[: CAP + 1]
    sql, parameters = rows.query.sql_with_params()
    with bounded_transaction(SURVEY_SECONDS) as cursor:
        cursor.execute(_SURVEY.format(cap=CAP, rows=sql), parameters)
        at, batches, events, oldest, *others = cursor.fetchone()
    return Survey(at, batches, events, max(0.0, oldest), *others)


def deliver_now(selection: Selection) -> int:
    """Makes those due that wait for their next attempt, and rings; how many. Raises django.db.Error.

    It is no delivery: what was counted against a batch stays.
    """
    with bounded_transaction(LOCK_SECONDS):
        waiting = _free(selection).filter(visible_at__gt=Now())
        ids = list(waiting.values_list("id", flat=True)[:AT_ONCE])
        # What a redrive holds back enters the queue when its wait is over: now.
        rows = QueuedBatch.objects.using(conf.database).filter(pk__in=ids)
        rows.update(visible_at=Now(), created_at=Least("created_at", Now()))
        if ids:
            doorbell.ring()
    return len(ids)


def take(selection: Selection, most_events: int) -> list[QueuedBatch]:
    """Takes some batches out of the queue, oldest first; in the transaction that keeps their events.

    As many whole ones as have `most_events`, or one. Raises django.db.Error.
    """
    size = Func(F("payload"), function="octet_length", output_field=IntegerField())
    candidates = _free(selection).values_list("id", "events", size)[:CANDIDATES]
    rows = QueuedBatch.objects.using(conf.database).filter(pk__in=_choose(list(candidates), most_events))
    taken = list(rows.order_by("id"))
    rows.delete()
    return taken


def _free(selection: Selection) -> QuerySet[QueuedBatch]:
    """Locked when they are read, those that no consumer has in its hands."""
    rows = selection.rows().exclude(UNDER_WAY).order_by("id")
    return rows.select_for_update(skip_locked=True)


def _choose(candidates: Sequence[tuple[int, int, int]], most_events: int) -> Iterable[int]:
    chosen: list[int] = []
    events = size = 0
    for batch_id, batch_events, batch_size in candidates:
        events += batch_events
        size += batch_size
        if chosen and (events > most_events or size > TAKE_BYTES):
            break
        chosen.append(batch_id)
    return chosen
