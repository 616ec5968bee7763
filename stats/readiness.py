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
from gateway.phrase import Phrase
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
    """One line of the gate. Its texts are English; a page shows those that are phrases in its language."""

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
            advice = Phrase("could not be asked: %(reason)s", reason=reason)
            found.append(Condition(title, Phrase("unknown"), "", State.UNKNOWN, advice))
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
        Phrase("sent to the queue"),
        every - min(fallen_back, every),
        every,
        Phrase("look for what made the queue refuse: the log's lines 'Queue refused'"),
    )
    advice = Phrase("look at the dead letters, and whether the consumer keeps up")
    yield _share(Phrase("consumed"), counted, every, advice)


def _drilled(since: datetime) -> int:
    """Events that fell back since somebody asked for it."""
    drills = FallbackDrill.objects.using(conf.database).filter(requested_at__gte=since)
    return int(drills.aggregate(total=Sum("fallen_back"))["total"] or 0)


def _share(name: str, part: int, whole: int, advice: str) -> Condition:
    bound = Phrase("> %(share)s of the last %(days)s days", share=f"{SHARE:.1%}", days=DAYS)
    if whole < FEWEST:
        figure = Phrase("%(count)s requests", count=f"{whole:,}")
        wait = Phrase("wait for %(count)s requests", count=f"{FEWEST:,}")
        return Condition(name, figure, bound, State.UNKNOWN, wait)
    share = part / whole
    state = State.PASS if share > SHARE else State.FAIL
    figure = Phrase(
        "%(share)s (%(part)s of %(whole)s)", share=f"{share:.4%}", part=f"{part:,}", whole=f"{whole:,}"
    )
    return Condition(name, figure, bound, state, advice)


def _backlog(now: datetime) -> Iterator[Condition]:
    waiting = queue.depth()
    advice = Phrase("see whether the worker runs (pipeline_status) and what slows it down")
    yield Condition(
        Phrase("backlog"),
        Phrase("%(count)s events", count=f"{waiting.events:,}"),
        f"< {BACKLOG_EVENTS}",
        State.PASS if waiting.events < BACKLOG_EVENTS else State.FAIL,
        advice,
    )
    yield Condition(
        Phrase("oldest waiting"),
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
        Phrase("duplicates"),
        Phrase("%(count)s in %(days)s verified days", count=f"{duplicates:,}", days=len(reports)),
        "0",
        State.FAIL if duplicates else (State.PASS if len(reports) == DAYS else State.UNKNOWN),
        Phrase("look at the verification that found them")
        if duplicates
        else Phrase("wait until each day is verified"),
    )
    yield _compared(reports, failed, missing + unknown)


def _compared(reports: list[VerificationReport], failed: list[str], unknown: list[str]) -> Condition:
    days = {"days": DAYS - len(unknown) - len(failed), "of": DAYS}
    errors = [report.error for report in reports if report.error is not None]
    if errors:
        worst = f"{max(errors):.3%}"
        figure = Phrase("%(days)s of %(of)s days hold, worst %(worst)s", **days, worst=worst)
    else:
        figure = Phrase("%(days)s of %(of)s days hold, none compared", **days)
    state, advice = State.PASS, ""
    if failed:
        state = State.FAIL
        advice = Phrase("open the verification of %(days)s (UTC)", days=", ".join(failed))
    elif unknown:
        state = State.UNKNOWN
        advice = Phrase(
            "not verified: %(days)s; verify_counts --store --since DAY --until DAY", days=", ".join(unknown)
        )
    bound = Phrase("< 1 %% on each of the last %(days)s days", days=DAYS)
    return Condition(Phrase("verification"), figure, bound, state, advice)


def _report_of(day: datetime) -> VerificationReport | None:
    """The latest that covers this day."""
    reports = VerificationReport.objects.using(conf.database)
    return reports.filter(since__lte=day, until__gte=day + timedelta(days=1)).order_by("-id").first()


def _drill(now: datetime) -> Iterator[Condition]:
    since = now - timedelta(days=DAYS)
    drills = FallbackDrill.objects.using(conf.database).filter(verified_at__gte=since, fallen_back__gt=0)
    last = drills.order_by("-verified_at").first()
    if last and last.verified_at:
        figure = Phrase(
            "%(count)s events, all counted, on %(time)s UTC",
            count=f"{last.fallen_back:,}",
            time=f"{last.verified_at:%Y-%m-%d %H:%M}",
        )
    else:
        figure = Phrase("no drill in %(days)s days", days=DAYS)
    yield Condition(
        Phrase("fallback"),
        figure,
        Phrase("shown to work within %(days)s days", days=DAYS),
        State.PASS if last else State.UNKNOWN,
        "" if last else Phrase("manage.py fallback_drill, while there is traffic"),
    )


def _times(now: datetime) -> Iterator[Condition]:
    since = now - timedelta(days=1)
    for title, name, bound in (
        (Phrase("making an id, p99"), ID, ID_SECONDS),
        (Phrase("hand-over of a batch, p99"), HAND_OVER, HAND_OVER_SECONDS),
        (Phrase("consumption of a batch, p99"), CONSUMPTION, CONSUMPTION_SECONDS),
    ):
        seconds, count = quantile(name, P99, since)
        if seconds is None or count < FEWEST_TIMES:
            state, figure = State.UNKNOWN, Phrase("measured %(count)s times in a day", count=f"{count:,}")
        else:
            state = State.PASS if seconds < bound else State.FAIL
            figure = Phrase(
                "%(time)s ms (%(count)s measured)", time=f"{seconds * 1000:.2f}", count=f"{count:,}"
            )
        yield Condition(
            title,
            figure,
            f"< {bound * 1000:g} ms",
            state,
            Phrase("wait for traffic")
            if state is State.UNKNOWN
            else Phrase("see docs/performance.md for what it depends on"),
        )


PARTS: tuple[tuple[str, Callable[[datetime], Iterator[Condition]]], ...] = (
    (Phrase("sent and consumed"), _shares),
    (Phrase("backlog"), _backlog),
    (Phrase("verification"), _verified),
    (Phrase("fallback"), _drill),
    (Phrase("times"), _times),
)


def _midnight(now: datetime) -> datetime:
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
