"""Where the pipeline stands: what waits, what the consumer does, and what this host's processes counted."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from ninja import Query, Router

from gateway import metrics, modes, segments
from legacy_collector import collector
from legacy_collector.collector import CollectorRefused
from stats import pipeline, vitals
from stats.api.authentication import permitted
from stats.api.parameters import Parameters, Zone, zone_of
from stats.vitals import LETTERS_CAP, Vitals

# An error of the breaker may quote a row, or where the database is.
router = Router(tags=["Pipeline"], auth=permitted("stats.view_consumerheartbeat"))


@dataclass(frozen=True)
class Backlog:
    """What waits in the queue, the batch under work included."""

    batches: int
    events: int
    oldest_seconds: float


@dataclass(frozen=True)
class ConsumerState:
    """What the consumer has done since its row was made, and how it is now."""

    heartbeat_age_seconds: float
    started_at: datetime | None
    batches: int
    events: int  # counted
    duplicates: int
    dead_letters: int  # made so far
    seconds: float  # spent in transactions that counted
    per_second: float  # events that left the queue lately, whatever became of them
    breaker: Literal["closed", "open"]
    breaker_error: str
    paused_by: str  # empty while it is not paused


@dataclass(frozen=True)
class WaitingLetters:
    """Dead letters of one reason that wait for a decision."""

    reason: str
    count: int
    is_lower_bound: bool  # counting stops at some thousands


@dataclass(frozen=True)
class PipelineStatus:
    """Parts that could not be asked are null, and `problems` names them."""

    data_source: Literal["queue"]
    at: datetime
    mode: str  # in force
    database_up: bool
    consumer: ConsumerState | None  # null, too, before it first ran
    backlog: Backlog | None
    dead_letters: tuple[WaitingLetters, ...] | None
    fallback_pending: int | None  # events in the legacy collector that wait to be replayed
    journal_bytes: int  # of this host, as the counters; a file has its full size from the start
    counters: dict[str, int]  # of this host's processes: captured, sent, fallback, dropped, …
    problems: tuple[str, ...]


class StatusParameters(Parameters):
    zone: Zone = "UTC"


@router.get("/pipeline", response=PipelineStatus, operation_id="pipeline", summary="Where events are now")
def status(request: HttpRequest, parameters: Query[StatusParameters]) -> Any:
    """Answers without the database, too. Estimates nothing; `is_lower_bound` marks counts that stopped."""
    zone = zone_of(parameters.zone)
    found = vitals.take()
    problems = list(found.problems)
    return PipelineStatus(
        data_source="queue",
        at=datetime.now(UTC).astimezone(zone),
        mode=(modes.in_force() if found.database_up else modes.known()).mode,
        database_up=found.database_up,
        consumer=_consumer(found, zone),
        backlog=Backlog(**asdict(found.backlog)) if found.backlog else None,
        dead_letters=_letters(found),
        fallback_pending=_fallback_pending(problems),
        journal_bytes=segments.total_bytes(),
        counters={name: metrics.total(counter) for name, counter in pipeline.COUNTERS.items()},
        problems=tuple(problems),
    )


def _consumer(found: Vitals, zone: ZoneInfo) -> ConsumerState | None:
    if found.consumer is None:
        return None
    # By name: what the vitals come to know besides is no part of the answer until it is named above.
    values = {field.name: getattr(found.consumer, field.name) for field in fields(ConsumerState)}
    started = found.consumer.started_at
    return ConsumerState(**{**values, "started_at": started.astimezone(zone) if started else None})


def _letters(found: Vitals) -> tuple[WaitingLetters, ...] | None:
    if found.dead_letters is None:
        return None
    return tuple(
        WaitingLetters(reason, count, count >= LETTERS_CAP)
        for reason, count in sorted(found.dead_letters.items())
    )


def _fallback_pending(problems: list[str]) -> int | None:
    try:
        return collector.pending()
    except CollectorRefused:
        problems.append("the legacy collector could not be asked")
        return None
