"""Where every event is right now: the figures of `pipeline_status`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import Error, connections

from gateway import metrics, modes, queue, segments
from gateway.conf import conf
from legacy_collector import collector
from legacy_collector.collector import CollectorRefused
from stats import heartbeat, read_from
from stats.models import ConsumerHeartbeat, DeadLetter

Status = dict[str, Any]


def status() -> Status:
    """Counts of events by where they are; a figure whose store can't be asked is None.

    `problems` names what could not be asked, or what needs a person.
    """
    in_force = modes.in_force()
    figures: Status = {
        "mode": in_force.mode,
        "sample_rate": in_force.sample_rate,
        "read_percent": read_from.in_force().percent,
    }
    figures |= {name: metrics.total(counter) for name, counter in COUNTERS.items()}
    problems: list[str] = []
    for name, part, keys in (
        ("queue database", _queue_figures, QUEUE_FIGURES),
        ("legacy collector", _collector_figures, ("fallback_pending",)),
    ):
        figures |= _ask(name, part, keys, problems)
    figures["journal_pending"] = segments.pending()
    if figures["breaker"] == ConsumerHeartbeat.Breaker.OPEN:
        problems.append(f"the breaker is open: {figures.pop('breaker_error')}")
    figures.pop("breaker_error", None)
    if figures["paused_by"]:
        problems.append(f"the consumer is paused (by {figures['paused_by']}): resume_consumer has it go on")
    beat_age = figures["consumer_heartbeat_age_seconds"]
    if figures["queued_batches"] and (beat_age is None or beat_age > heartbeat.STALE_SECONDS):
        problems.append("batches wait and the consumer shows no sign of life")
    return {**figures, "problems": problems}


# Counted by the processes of this host.
COUNTERS = {
    "captured": metrics.captured,
    "sent": metrics.sent,
    "repeats": metrics.repeats,
    "fallback": metrics.fallback,
    "adopted": metrics.adopted,
    "journal_failed": metrics.journal_failed,
    "request_start_ignored": metrics.start_ignored,
    "dropped": metrics.dropped,
}

QUEUE_FIGURES = (
    "events",
    "requests",
    "queued_batches",
    "queued_events",
    "oldest_queued_seconds",
    "dead_letters",
    "consumer_heartbeat_age_seconds",
    "consumed_batches",
    "consumed_events",
    "consumer_seconds",
    "consumer_started_at",
    "duplicates",
    "breaker",
    "paused_by",
)


def _queue_figures() -> Status:
    waiting = queue.depth()
    beat = ConsumerHeartbeat.objects.using(conf.database).filter(name=conf.queue.name).first()
    with connections[conf.database].cursor() as cursor:
        # Exact, and so a scan: for a command, not for a page.
        cursor.execute("SELECT count(*) FROM stats_event")
        events = cursor.fetchone()[0]
        cursor.execute("SELECT coalesce(sum(requests), 0)::bigint FROM stats_pathstatshourly")
        requests = cursor.fetchone()[0]
    dead = DeadLetter.objects.using(conf.database).filter(state=DeadLetter.State.DEAD)
    return {
        "events": events,
        "requests": requests,
        "queued_batches": waiting.batches,
        "queued_events": waiting.events,
        "oldest_queued_seconds": round(waiting.oldest_seconds, 3),
        "dead_letters": dead.count(),
        "consumer_heartbeat_age_seconds": _rounded(heartbeat.age()),
        "consumed_batches": beat.batches if beat else 0,
        "consumed_events": beat.events if beat else 0,
        "consumer_seconds": round(beat.seconds, 3) if beat else 0.0,
        "consumer_started_at": beat.started_at.isoformat() if beat and beat.started_at else None,
        "duplicates": beat.duplicates if beat else 0,
        "breaker": beat.breaker if beat else ConsumerHeartbeat.Breaker.CLOSED.value,
        "breaker_error": beat.breaker_error if beat else "",
        "paused_by": beat.paused_by if beat else "",
    }


def _collector_figures() -> Status:
    return {"fallback_pending": collector.pending()}


def _ask(name: str, part: Callable[[], Status], keys: tuple[str, ...], problems: list[str]) -> Status:
    try:
        return part()
    except (Error, OSError, CollectorRefused) as error:
        problems.append(f"the {name} can't be asked: {' '.join(str(error).split())}")
        return dict.fromkeys(keys)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
