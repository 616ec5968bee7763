"""The problems that were seen in a phase of the cutover, oldest first, and what was done about each."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from django.contrib.admin.models import LogEntry
from django.db.models import Count, QuerySet
from django.db.models.functions import TruncDate

from gateway.conf import conf
from gateway.models import FallbackDrill
from gateway.starts import Cause
from legacy_collector import held
from stats.markdown import table
from stats.models import ConsumerHeartbeat, DeadLetter, WorkerStart

Row = tuple[str, str, str, str, str]  # when, what, why, events, what was done

FAULTS = (Cause.ENDED.value, Cause.RESTARTED.value)
RESTARTS = 100  # listed, the newest
ENTRIES = 50  # of the admin's log


def problems(since: datetime) -> Iterator[str]:
    """Lines of Markdown. Raises django.db.Error and CollectorRefused."""
    rows = [*_letters(since), *_fallbacks(since), *_drills(since), *_restarts(since)]
    if rows:
        yield from table(("when (UTC)", "what", "why", "events", "what was done"), sorted(rows))
    else:
        yield "None were seen."
    yield ""
    yield from _starts(since)
    yield from _done_by_people(since)


def _letters(since: datetime) -> Iterator[Row]:
    letters = (
        DeadLetter.objects.using(conf.database)
        .filter(last_failed_at__gte=since)
        .annotate(day=TruncDate("last_failed_at", tzinfo=UTC))
        .values_list("day", "reason", "state")
        .annotate(count=Count("id"))
    )
    for day, reason, state, count in letters:
        yield f"{day:%Y-%m-%d}", "dead letter", reason, f"{count:,}", state


def _fallbacks(since: datetime) -> Iterator[Row]:
    for hour, count, waiting in held.fallen_back_by_hour(since):
        done = f"{waiting:,} wait to be replayed" if waiting else "all replayed"
        yield f"{hour:%Y-%m-%d %H}:00", "fallback", "the queue refused", f"{count:,}", done


def _drills(since: datetime) -> Iterator[Row]:
    for row in FallbackDrill.objects.using(conf.database).filter(requested_at__gte=since):
        when, fallen_back = f"{row.requested_at:%Y-%m-%d %H:%M:%S}", f"{row.fallen_back:,}"
        done = "all counted" if row.verified_at else "not shown to be counted"
        yield when, "drill", "asked for", fallen_back, done


def _restarts(since: datetime) -> Iterator[Row]:
    for start in _started(since).filter(cause__in=FAULTS).order_by("-started_at")[:RESTARTS]:
        done = f"started again as process {start.pid} on {start.host}"
        yield f"{start.started_at:%Y-%m-%d %H:%M:%S}", "restart of the worker", start.why, "-", done


def _started(since: datetime) -> QuerySet[WorkerStart]:
    return WorkerStart.objects.using(conf.database).filter(started_at__gte=since)


def _starts(since: datetime) -> Iterator[str]:
    """The worker's starts in sum, those without a fault before them included."""
    by_cause = dict(_started(since).order_by().values_list("cause").annotate(Count("id")))
    if by_cause:
        counts = ", ".join(f"{count:,} {cause}" for cause, count in sorted(by_cause.items()))
        yield f"Starts of the worker: {counts}."
    faults = sum(by_cause.get(cause, 0) for cause in FAULTS)
    if faults > RESTARTS:
        yield f"Of its restarts the newest {RESTARTS} are listed."
    beat = ConsumerHeartbeat.objects.using(conf.database).filter(name=conf.queue.name).first()
    if beat is not None and beat.started_at is not None:
        started = f"{beat.started_at:%Y-%m-%d %H:%M:%S}"
        yield f"The consumer was started last on {started} (UTC); breaker: {beat.breaker}."
    yield ""


def _done_by_people(since: datetime) -> Iterator[str]:
    entries = (
        LogEntry.objects.using(conf.database)
        .filter(action_time__gte=since, content_type__app_label__in=["gateway", "stats", "legacy_collector"])
        .select_related("user")
        .order_by("-id")[:ENTRIES]
    )
    rows = [
        (
            f"{entry.action_time:%Y-%m-%d %H:%M}",
            entry.user.get_username(),
            entry.object_repr,
            entry.get_change_message(),
        )
        for entry in entries
    ]
    if rows:
        yield "What people did in the admin, newest first:"
        yield ""
        yield from table(("when (UTC)", "who", "to", "what"), rows)
