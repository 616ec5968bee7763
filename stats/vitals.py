"""What can be told of the pipeline at any time, at a bounded cost: for `/metrics` and the API.

`stats.pipeline` counts exactly instead, and so by scanning: for a command, not for a page.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from django.db import Error, connections

from gateway import queue
from gateway.conf import conf
from gateway.deadline import deadline
from gateway.logs import printable
from stats import heartbeat
from stats.models import Alert, AlertRule, ConsumerHeartbeat, DeadLetter
from stats.reports.errors import ReportTimedOut
from stats.reports.reading import reading

logger = logging.getLogger(__name__)
T = TypeVar("T")

SECONDS = 2.0  # bound on each part; four of them must fit into a scrape's usual 10 s
LETTERS_CAP = 10_000  # dead letters of one reason that are counted


@dataclass(frozen=True)
class Consumer:
    """What the consumer has done since its row was made, and how it is now."""

    heartbeat_age_seconds: float
    started_at: datetime | None
    batches: int
    events: int  # counted
    duplicates: int
    dead_letters: int  # made so far
    seconds: float  # spent in transactions that counted
    per_second: float  # events that left the queue lately
    breaker: str  # closed, open
    breaker_error: str
    paused_by: str  # empty while it is not paused


@dataclass(frozen=True)
class Vitals:
    """What could be asked; a part that failed is None, and `problems` says why."""

    database_up: bool
    consumer: Consumer | None
    backlog: queue.Depth | None
    dead_letters: dict[str, int] | None  # those that wait for a decision, by reason; `LETTERS_CAP` at most
    problems: tuple[str, ...]
    firing: dict[str, int] | None = None  # alerts that are open, by severity


def take(seconds: float | None = None) -> Vitals:
    """Asks the database part by part, each bounded so (or by SECONDS). Never raises django.db.Error."""
    problems: list[str] = []
    bound = SECONDS if seconds is None else seconds

    def ask(name: str, part: Callable[[], T]) -> T | None:
        return _ask(name, part, problems, bound)

    up = ask("the database", _answers)
    if not up:
        return Vitals(False, None, None, None, tuple(problems))
    found = Vitals(
        database_up=True,
        consumer=ask("the consumer", _consumer),
        backlog=ask("the backlog", queue.depth),
        dead_letters=ask("dead letters", _dead_letters),
        problems=(),
        firing=ask("alerts", _firing),
    )
    return Vitals(**{**vars(found), "problems": tuple(problems)})


def _ask(name: str, part: Callable[[], T], problems: list[str], seconds: float) -> T | None:
    connection = connections[conf.database]
    try:
        with deadline(connection, seconds * 2), reading(seconds):
            return part()
    except (Error, OSError, ReportTimedOut) as error:
        logger.warning("%s could not be asked: %s", name.capitalize(), printable(str(error)))
        problems.append(f"{name} could not be asked")
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        return None


def _answers() -> bool:
    """Beginning the transaction was the question."""
    return True


def _consumer() -> Consumer | None:
    beat = ConsumerHeartbeat.objects.using(conf.database).filter(name=conf.queue.name).first()
    if beat is None:
        return None
    age = heartbeat.age() or 0.0
    return Consumer(
        heartbeat_age_seconds=round(age, 3),
        started_at=beat.started_at,
        batches=beat.batches,
        events=beat.events,
        duplicates=beat.duplicates,
        dead_letters=beat.dead,
        seconds=beat.seconds,
        per_second=beat.per_second if age < heartbeat.STALE_SECONDS else 0.0,
        breaker=beat.breaker,
        breaker_error=beat.breaker_error,
        paused_by=(beat.paused_by or "-") if beat.paused_at else "",
    )


def _dead_letters() -> dict[str, int]:
    # A count by reason of the whole table would read it all; this stops at the cap, by the index.
    sql = """
        SELECT reason, (SELECT count(*) FROM (
            SELECT FROM stats_deadletter
            WHERE state = %s AND stats_deadletter.reason = reasons.reason LIMIT %s) AS counted)
        FROM unnest(%s::text[]) AS reasons (reason)
    """
    with connections[conf.database].cursor() as cursor:
        cursor.execute(sql, [DeadLetter.State.DEAD, LETTERS_CAP, list(DeadLetter.Reason.values)])
        return dict(cursor.fetchall())


def _firing() -> dict[str, int]:
    rows = Alert.objects.using(conf.database).filter(ended_at=None).values_list("severity", flat=True)
    return {**dict.fromkeys(AlertRule.Severity.values, 0), **Counter(rows)}
