"""The collector: takes events straight into its own database, each once, and keeps hourly counts.

What is counted is what the INSERT really inserted, so an event that comes again, from whichever process,
changes no count; it only adds why it is here and, if asked, the mark "to be replayed". A row that was
replayed already and falls back once more gets the mark again: the queue knows its id, so that is harmless.

Rows are written in the order of their keys, so that processes which share a server can't deadlock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F

from gateway.conf import conf
from gateway.events import TrafficEvent, encode
from legacy_collector.database import CollectorRefused, reading, writing
from legacy_collector.models import CollectedEvent, Reason
from legacy_collector.retention import evict, occupancy

__all__ = ["CollectorRefused", "collect", "pending", "readiness"]

ROWS = 100  # a statement; SQLite allowed only 999 parameters for long
HOUR = 3_600_000  # ms

# The only statements the ORM has no words for: it can't say which rows it inserted, nor add on conflict.
INSERT_EVENTS = (
    "INSERT INTO legacy_collector_collectedevent (idempotent_id, payload, route, hour, status, reasons,"
    " replay_pending, collected_at) VALUES {rows}"
    " ON CONFLICT (idempotent_id) DO NOTHING RETURNING idempotent_id"
)
ADD_HOURLY = (
    "INSERT INTO legacy_collector_collectedhourly (route, hour, requests, errors) VALUES {rows}"
    " ON CONFLICT (route, hour) DO UPDATE SET"
    " requests = legacy_collector_collectedhourly.requests + excluded.requests,"
    " errors = legacy_collector_collectedhourly.errors + excluded.errors"
)

T = TypeVar("T")


def collect(events: Sequence[TrafficEvent], reasons: AbstractSet[str], *, replay: bool) -> int:
    """Stores events in one transaction; the number of those that were not there yet.

    `reasons` are names of `Reason`; `replay` marks the events, also those that were there, as to be put
    into the queue. Raises CollectorRefused, and ValueError for an unknown reason.
    """
    bits = Reason.from_names(reasons)
    unsorted = {event.idempotent_id: event for event in reversed(events)}
    wanted = [unsorted[key] for key in sorted(unsorted)]
    if not wanted:
        return 0
    is_full = occupancy.is_full()
    with writing() as connection:
        evicted = evict(connection, len(wanted)) if is_full else 0
        if is_full and not evicted:
            raise CollectorRefused(f"{conf.collector_events} events (LEGACY_MAX_EVENTS) wait to be replayed")
        inserted = _insert(connection, wanted, bits, replay)
        _add_reasons([key for key in sorted(unsorted) if key not in inserted], bits, replay)
        _add_hourly(connection, [event for event in wanted if event.idempotent_id in inserted])
    occupancy.changed(len(inserted) - evicted)
    return len(inserted)


def pending() -> int:
    """How many events wait to be replayed. Raises CollectorRefused."""
    with reading() as connection:
        return CollectedEvent.objects.using(connection.alias).filter(replay_pending=True).count()


def readiness() -> str | None:
    """None if the collector could take an event now, else one line that says what is wrong."""
    try:
        with reading() as connection:
            if CollectedEvent._meta.db_table not in connection.introspection.table_names():
                return (
                    "legacy collector: not migrated"
                    f" (manage.py migrate --database {connection.alias} creates its tables)"
                )
        with writing() as connection:
            # Touches no row, but fails where a row couldn't be written.
            CollectedEvent.objects.using(connection.alias).filter(pk="").update(reasons=0)
    except CollectorRefused as refusal:
        return f"legacy collector: {refusal}"
    return None


def _insert(
    connection: BaseDatabaseWrapper, events: Sequence[TrafficEvent], bits: Reason, replay: bool
) -> set[str]:
    """The ids that were not there yet."""
    why = (int(bits), replay, datetime.now(UTC))
    inserted: set[str] = set()
    for chunk in _chunks(events, ROWS):
        rows = [(*_columns(event), *why) for event in chunk]
        inserted.update(key for (key,) in _execute(connection, INSERT_EVENTS, rows))
    return inserted


def _columns(event: TrafficEvent) -> tuple[Any, ...]:
    return event.idempotent_id, encode(event).decode(), event.route, hour_of(event), event.status


def _add_reasons(keys: Sequence[str], bits: Reason, replay: bool) -> None:
    changes: dict[str, Any] = {"reasons": F("reasons").bitor(int(bits))}
    if replay:
        changes["replay_pending"] = True
    for chunk in _chunks(keys, ROWS):
        rows = CollectedEvent.objects.using(conf.legacy_database).filter(pk__in=chunk)
        # Locks them in order; without effect on SQLite, which has one writer at a time anyway.
        held = rows.select_for_update().order_by("pk").values_list("pk", flat=True)
        if len(held) != len(chunk):
            raise CollectorRefused("an event expired while it was collected again")
        rows.update(**changes)


def _add_hourly(connection: BaseDatabaseWrapper, events: Sequence[TrafficEvent]) -> None:
    requests = Counter((event.route, hour_of(event)) for event in events)
    errors = Counter((event.route, hour_of(event)) for event in events if event.status >= 400)
    for chunk in _chunks(sorted(requests), ROWS):
        _execute(connection, ADD_HOURLY, [(*key, requests[key], errors[key]) for key in chunk])


def hour_of(event: TrafficEvent) -> datetime:
    """The start of the hour (UTC) the request belongs to."""
    return datetime.fromtimestamp(event.timestamp // HOUR * HOUR / 1000, UTC)


def _execute(
    connection: BaseDatabaseWrapper, sql: str, rows: Sequence[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """One statement with all the rows; what it returns."""
    row = "(" + ", ".join(["%s"] * len(rows[0])) + ")"
    parameters = [_adapted(connection, value) for values in rows for value in values]
    with connection.cursor() as cursor:
        cursor.execute(sql.format(rows=", ".join([row] * len(rows))), parameters)
        return cursor.fetchall() if cursor.description else []


def _adapted(connection: BaseDatabaseWrapper, value: Any) -> Any:
    """Times as the ORM writes them, which is text in SQLite."""
    return connection.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))
