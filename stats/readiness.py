"""Whether the next phase of the cutover may begin: each condition with its figure, its bound and what to do.

All figures come from the running system: what was counted, what waits, what was verified, how long things
took.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.db import Error, connections
from django.db.models import Sum

from gateway import queue
from gateway.conf import conf
from gateway.models import FallbackDrill
from gateway.timings import CONSUMPTION, HAND_OVER, ID, quantile
from legacy_collector import held
from legacy_collector.database import CollectorRefused
from stats.models import VerificationReport
from stats.verification import Verdict

DAYS = 7
SHARE = 0.999  # of the events that have to take the queue, and to be counted
BACKLOG_EVENTS = 100
OLDEST_SECONDS = 60.0
ID_SECONDS, HAND_OVER_SECONDS, CONSUMPTION_SECONDS = 0.001, 0.010, 0.100  # p99
FEWEST = 1_000  # events, or 20 measured hand-overs, below which nothing is said
FEWEST_TIMES = 20
P99 = 0.99


class State(StrEnum):
    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    UNKNOWN = "not enough data"


@dataclass(frozen=True)
class Condition:
    """One line of the gate."""

    name: str
    figure: str
    bound: str
    state: State
    advice: str  # what to do where it is not passed


@dataclass(frozen=True)
class Readiness:
    """The gate. It is open only if every condition passes."""

    at: datetime
    conditions: tuple[Condition, ...]

    @property
    def is_open(self) -> bool:
        return all(condition.state is State.PASS for condition in self.conditions)


def readiness(now: datetime | None = None) -> Readiness:
    """Asks for everything; what could not be asked is not enough data."""
    now = now or datetime.now(UTC)
    found: list[Condition] = []
    for title, part in PARTS:
        try:
            found.extend(part(now))
        except (Error, CollectorRefused) as error:
            reason = " ".join(str(error).split())
            found.append(Condition(title, "unknown", "", State.UNKNOWN, f"could not be asked: {reason}"))
    return Readiness(now, tuple(found))


def _shares(now: datetime) -> Iterator[Condition]:
    since = _midnight(now) - timedelta(days=DAYS)
    with connections[conf.database].cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(sum(requests), 0)::bigint FROM stats_totalshourly WHERE hour >= %s", [since]
        )
        counted = int(cursor.fetchone()[0])
        cursor.execute(
            "SELECT count(*) FROM stats_deadletter WHERE state = 'dead' AND last_failed_at >= %s", [since]
        )
        dead = int(cursor.fetchone()[0])
    waiting = queue.depth()
    fallen_back = max(0, held.fallen_back_since(since) - _drilled(since))
    late = waiting.events if waiting.oldest_seconds > OLDEST_SECONDS else 0
    every = counted + dead + late
    yield _share(
        "sent to the queue",
        every - min(fallen_back, every),
        every,
        "look for what made the queue refuse: the log's lines 'Queue refused'",
    )
    yield _share("consumed", counted, every, "look at the dead letters, and whether the consumer keeps up")


def _drilled(since: datetime) -> int:
    """Events that fell back since somebody asked for it."""
    drills = FallbackDrill.objects.using(conf.database).filter(requested_at__gte=since)
    return int(drills.aggregate(total=Sum("fallen_back"))["total"] or 0)


def _share(name: str, part: int, whole: int, advice: str) -> Condition:
    bound = f"> {SHARE:.1%} of the last {DAYS} days"
    if whole < FEWEST:
        return Condition(name, f"{whole:,} requests", bound, State.UNKNOWN, f"wait for {FEWEST:,} requests")
    share = part / whole
    state = State.PASS if share > SHARE else State.FAIL
    return Condition(name, f"{share:.4%} ({part:,} of {whole:,})", bound, state, advice)


def _backlog(now: datetime) -> Iterator[Condition]:
    waiting = queue.depth()
    advice = "see whether the worker runs (pipeline_status) and what slows it down"
    yield Condition(
        "backlog",
        f"{waiting.events:,} events",
        f"< {BACKLOG_EVENTS}",
        State.PASS if waiting.events < BACKLOG_EVENTS else State.FAIL,
        advice,
    )
    yield Condition(
        "oldest waiting",
        f"{waiting.oldest_seconds:.1f} s",
        f"< {OLDEST_SECONDS:g} s",
        State.PASS if waiting.oldest_seconds < OLDEST_SECONDS else State.FAIL,
        advice,
    )


def _verified(now: datetime) -> Iterator[Condition]:
    days = [_midnight(now) - timedelta(days=number) for number in range(DAYS, 0, -1)]
    latest = {day: _report_of(day) for day in days}
    reports = [report for report in latest.values() if report is not None]
    duplicates = sum(int(report.details["inside"]["duplicates"]) for report in reports)
    missing = [f"{day:%Y-%m-%d}" for day, report in latest.items() if report is None]
    unknown = [
        f"{day:%m-%d}" for day, report in latest.items() if report and report.verdict == Verdict.UNKNOWN
    ]
    failed = [f"{day:%m-%d}" for day, report in latest.items() if report and report.verdict == Verdict.FAILS]
    yield Condition(
        "duplicates",
        f"{duplicates:,} in {len(reports)} verified days",
        "0",
        State.FAIL if duplicates else (State.PASS if len(reports) == DAYS else State.UNKNOWN),
        "look at the verification that found them" if duplicates else "wait until each day is verified",
    )
    errors = [report.error for report in reports if report.error is not None]
    worst = f"worst {max(errors):.3%}" if errors else "none compared"
    if failed:
        state, advice = State.FAIL, f"open the verification of {', '.join(failed)} (UTC)"
    elif missing or unknown:
        state = State.UNKNOWN
        advice = (
            f"not verified: {', '.join(missing + unknown)}; verify_counts --store --since DAY --until DAY"
        )
    else:
        state, advice = State.PASS, ""
    yield Condition(
        "verification",
        f"{DAYS - len(missing) - len(unknown) - len(failed)} of {DAYS} days hold, {worst}",
        f"< 1 % on each of the last {DAYS} days",
        state,
        advice,
    )


def _report_of(day: datetime) -> VerificationReport | None:
    """The latest that covers this day."""
    reports = VerificationReport.objects.using(conf.database)
    return reports.filter(since__lte=day, until__gte=day + timedelta(days=1)).order_by("-id").first()


def _drill(now: datetime) -> Iterator[Condition]:
    since = now - timedelta(days=DAYS)
    drills = FallbackDrill.objects.using(conf.database).filter(verified_at__gte=since, fallen_back__gt=0)
    last = drills.order_by("-verified_at").first()
    yield Condition(
        "fallback",
        f"{last.fallen_back:,} events, all counted, on {last.verified_at:%Y-%m-%d %H:%M} UTC"
        if last and last.verified_at
        else f"no drill in {DAYS} days",
        f"shown to work within {DAYS} days",
        State.PASS if last else State.UNKNOWN,
        "" if last else "manage.py fallback_drill, while there is traffic",
    )


def _times(now: datetime) -> Iterator[Condition]:
    since = now - timedelta(days=1)
    for title, name, bound in (
        ("making an id, p99", ID, ID_SECONDS),
        ("hand-over of a batch, p99", HAND_OVER, HAND_OVER_SECONDS),
        ("consumption of a batch, p99", CONSUMPTION, CONSUMPTION_SECONDS),
    ):
        seconds, count = quantile(name, P99, since)
        if seconds is None or count < FEWEST_TIMES:
            state, figure = State.UNKNOWN, f"measured {count:,} times in a day"
        else:
            state = State.PASS if seconds < bound else State.FAIL
            figure = f"{seconds * 1000:.2f} ms ({count:,} measured)"
        yield Condition(
            title,
            figure,
            f"< {bound * 1000:g} ms",
            state,
            "wait for traffic"
            if state is State.UNKNOWN
            else "see docs/performance.md for what it depends on",
        )


PARTS: tuple[tuple[str, Callable[[datetime], Iterator[Condition]]], ...] = (
    ("sent and consumed", _shares),
    ("backlog", _backlog),
    ("verification", _verified),
    ("fallback", _drill),
    ("times", _times),
)


def _midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
