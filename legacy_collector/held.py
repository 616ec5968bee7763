"""What the collector holds of some time, for whoever compares it with the queue path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db.models import Count, F, Max, Min, Q, Sum
from django.db.models.functions import TruncHour

from gateway.idempotency import id_prefix
from legacy_collector.database import reading
from legacy_collector.models import CollectedEvent, CollectedHourly, Reason

ROWS = 500  # keys a statement
WAITING_CAP = 10_000  # events that `waiting` looks at
DAY = timedelta(days=1)
# All ids of some minutes as one text: a row an id would cost more than all that is done with it.
_IDS = {
    "sqlite": "group_concat(idempotent_id, ' ')",
    "postgresql": "string_agg(idempotent_id, ' ')",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits to be replayed; of the `WAITING_CAP` oldest, if there are more."""

    events: int
    is_capped: bool
    since: datetime | None  # when the one that waits longest was collected
    reasons: dict[str, int]  # by name; an event may have several


def waiting() -> Waiting:
    """At a bounded cost. Raises CollectorRefused."""
    with reading() as connection:
        rows = CollectedEvent.objects.using(connection.alias).filter(replay_pending=True)
        oldest = rows.order_by("idempotent_id").values_list("reasons", "collected_at")
        found = list(oldest[: WAITING_CAP + 1])
    reasons = Counter(name for bits, _ in found for name in Reason(bits).names)
    since = min((collected_at for _, collected_at in found), default=None)
    return Waiting(min(len(found), WAITING_CAP), len(found) > WAITING_CAP, since, dict(reasons))


def ids_between(first: str, last: str) -> list[str]:
    """Ids from `first` up to `last`, which is not among them. Raises CollectorRefused."""
    with reading() as connection:
        together = _IDS.get(connection.vendor)
        if together is None:
            rows = CollectedEvent.objects.using(connection.alias)
            found = rows.filter(pk__gte=first, pk__lt=last)
            return list(found.order_by().values_list("pk", flat=True))
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {together} FROM legacy_collector_collectedevent"  # noqa: S608 (ours)
                " WHERE idempotent_id >= %s AND idempotent_id < %s",
                [first, last],
            )
            return (cursor.fetchone()[0] or "").split()


def given_up_to() -> datetime | None:
    """The last hour (UTC) of which events may have been given up for their age or for want of room.

    What was collected first goes first, so that all that came after what is left was kept. None if nothing is
    left. Raises CollectorRefused.
    """
    with reading() as connection:
        rows = CollectedEvent.objects.using(connection.alias).filter(replay_pending=False)
        oldest = rows.order_by("collected_at").values_list("pk", "collected_at").first()
    if oldest is None:
        return None
    key, collected_at = oldest
    happened_at = datetime.fromtimestamp(int(key[:13]) / 1000, UTC)
    # Of traffic that was brought in later, the time of its collection says nothing.
    latest = collected_at if collected_at - happened_at < DAY else happened_at
    return latest.replace(minute=0, second=0, microsecond=0)


def routes_of(ids: Sequence[str]) -> dict[str, str]:
    """The routes of those that it holds. Raises CollectorRefused."""
    return dict(_values(ids, "route"))


def waiting_among(ids: Sequence[str]) -> set[str]:
    """Those that wait to be replayed. Raises CollectorRefused."""
    return {key for key, waits in _values(ids, "replay_pending") if waits}


def waiting_between(since: datetime, until: datetime) -> int:
    """Events of this time that wait to be replayed. Raises CollectorRefused."""
    with reading() as connection:
        rows = CollectedEvent.objects.using(connection.alias).filter(replay_pending=True)
        return rows.filter(pk__gte=id_prefix(since), pk__lt=id_prefix(until)).count()


def fallen_back_since(since: datetime) -> int:
    """Events from then on that the queue refused. Raises CollectorRefused."""
    with reading() as connection:
        rows = CollectedEvent.objects.using(connection.alias).alias(
            refused=F("reasons").bitand(Reason.FALLBACK.value)
        )
        return rows.filter(pk__gte=id_prefix(since), refused__gt=0).count()


def fallen_back_between(since: datetime, until: datetime) -> list[str]:
    """Ids of the events that were collected then since the queue refused them. Raises CollectorRefused."""
    with reading() as connection:
        rows = CollectedEvent.objects.using(connection.alias).alias(
            refused=F("reasons").bitand(Reason.FALLBACK.value)
        )
        found = rows.filter(collected_at__gte=since, collected_at__lte=until, refused__gt=0)
        return list(found.order_by().values_list("pk", flat=True))


def fallen_back_by_hour(since: datetime) -> list[tuple[datetime, int, int]]:
    """Events that the queue refused from then on, by the hour (UTC) they were collected in.

    How many, and how many of them wait to be replayed. Raises CollectorRefused.
    """
    with reading() as connection:
        rows = CollectedEvent.objects.using(connection.alias).alias(
            refused=F("reasons").bitand(Reason.FALLBACK.value)
        )
        found = rows.filter(collected_at__gte=since, refused__gt=0)
        hours = found.annotate(collected_in=TruncHour("collected_at", tzinfo=UTC)).values_list("collected_in")
        waiting = Count("pk", filter=Q(replay_pending=True))
        return list(hours.annotate(Count("pk"), waiting=waiting).order_by("collected_in"))


def totals(since: datetime, until: datetime) -> dict[datetime, int]:
    """Requests of each hour. Raises CollectorRefused."""
    with reading() as connection:
        rows = CollectedHourly.objects.using(connection.alias).filter(hour__gte=since, hour__lt=until)
        return dict(rows.order_by().values_list("hour").annotate(Sum("requests")))


def hours(since: datetime, until: datetime) -> Iterator[tuple[datetime, dict[str, int]]]:
    """Each hour with its requests by route, oldest first. Raises CollectorRefused."""
    while since < until:
        end = min(since + DAY, until)
        with reading() as connection:
            rows = CollectedHourly.objects.using(connection.alias).filter(hour__gte=since, hour__lt=end)
            found = list(rows.order_by("hour").values_list("hour", "route", "requests"))
        for hour, group in groupby(found, key=itemgetter(0)):
            yield hour, {route: requests for _, route, requests in group}
        since = end


def counted_span() -> tuple[datetime, datetime] | None:
    """The first and the last hour that has counts; None without any. Raises CollectorRefused."""
    with reading() as connection:
        rows = CollectedHourly.objects.using(connection.alias)
        found = rows.aggregate(first=Min("hour"), last=Max("hour"))
    return (found["first"], found["last"]) if found["first"] else None


def counted(since: datetime, until: datetime) -> Iterator[tuple[str, datetime, int, int]]:
    """Route, hour, requests and errors of each count, oldest hour first. Raises CollectorRefused."""
    while since < until:
        end = min(since + DAY, until)
        with reading() as connection:
            rows = CollectedHourly.objects.using(connection.alias).filter(hour__gte=since, hour__lt=end)
            found = list(rows.order_by("hour", "route").values_list("route", "hour", "requests", "errors"))
        yield from found
        since = end


def _values(ids: Sequence[str], name: str) -> Iterator[tuple[str, Any]]:
    for start in range(0, len(ids), ROWS):
        with reading() as connection:
            rows = CollectedEvent.objects.using(connection.alias).filter(pk__in=ids[start : start + ROWS])
            yield from list(rows.order_by().values_list("pk", name))
