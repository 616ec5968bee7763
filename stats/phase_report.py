"""The report of a phase of the cutover, as one Markdown text of live figures.

Acceptance (the readiness), the comparison of the two paths day by day, and the problems that were seen, with
what was done about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from django.contrib.admin.models import LogEntry
from django.db.models import Count
from django.db.models.functions import TruncDate

from gateway import modes
from gateway.conf import conf
from gateway.logs import printable
from gateway.models import FallbackDrill, ModeChange
from legacy_collector import held
from stats.models import ConsumerHeartbeat, DeadLetter, TotalsHourly, VerificationReport
from stats.readiness import State, readiness

DAY = timedelta(days=1)
ENTRIES = 50  # of the admin's log
MARKS = {State.PASS: "pass", State.FAIL: "**fail**", State.UNKNOWN: "not enough data"}


def phase_report(days: int, now: datetime | None = None) -> str:
    """The last `days` days and today. Raises django.db.Error and CollectorRefused."""
    now = now or datetime.now(UTC)
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - days * DAY
    parts = (_head(since, now), _acceptance(now), _comparison(since, now), _problems(since, now))
    return "\n".join(line for part in parts for line in [*part, ""])


def _head(since: datetime, now: datetime) -> Iterator[str]:
    in_force = modes.in_force()
    share = f" ({in_force.sample_rate:.3%})" if in_force.mode == "sample" else ""
    yield f"# Traffic statistics: {since:%Y-%m-%d} to {now:%Y-%m-%d %H:%M} (UTC)"
    yield ""
    yield f"Mode in force: {in_force.mode}{share}."
    changes = ModeChange.objects.using(conf.database).filter(changed_at__gte=since).order_by("id")
    for change in changes:
        why = f": {_cell(change.note)}" if change.note else ""
        yield f"- {change}, by {_cell(change.changed_by) or 'the settings'}{why}"


def _acceptance(now: datetime) -> Iterator[str]:
    found = readiness(now)
    yield "## Acceptance"
    yield ""
    yield "Every condition passes." if found.is_open else "Not every condition passes."
    yield ""
    yield from _table(
        ("condition", "figure", "bound", "state", "what to do"),
        (
            (
                row.name,
                row.figure,
                row.bound,
                MARKS[row.state],
                "" if row.state is State.PASS else row.advice,
            )
            for row in found.conditions
        ),
    )


def _comparison(since: datetime, now: datetime) -> Iterator[str]:
    yield "## The two paths, day by day"
    yield ""
    yield from _table(("day", "requests", "compared", "error", "verdict", "look at"), list(_days(since, now)))


def _days(since: datetime, now: datetime) -> Iterator[tuple[str, ...]]:
    day = since
    while day + DAY <= now:
        hours = TotalsHourly.objects.using(conf.database).filter(hour__gte=day, hour__lt=day + DAY)
        requests = sum(hours.values_list("requests", flat=True))
        reports = VerificationReport.objects.using(conf.database)
        report = reports.filter(since__lte=day, until__gte=day + DAY).order_by("-id").first()
        if report is None:
            yield f"{day:%Y-%m-%d}", f"{requests:,}", "-", "-", "not verified", ""
        else:
            error = "-" if report.error is None else f"{report.error:.3%}"
            findings = "; ".join(report.details.get("findings", [])[:3])
            yield (
                *(f"{day:%Y-%m-%d}", f"{requests:,}", f"{report.compared:,}", error),
                *(report.verdict, findings),
            )
        day += DAY


def _problems(since: datetime, now: datetime) -> Iterator[str]:
    yield "## Problems"
    yield ""
    letters = (
        DeadLetter.objects.using(conf.database)
        .filter(last_failed_at__gte=since)
        .annotate(day=TruncDate("last_failed_at", tzinfo=UTC))
        .values_list("day", "reason", "state")
        .annotate(count=Count("id"))
        .order_by("day", "reason", "state")
    )
    rows = [
        (f"{day:%Y-%m-%d}", "dead letter", reason, f"{count:,}", state)
        for day, reason, state, count in letters
    ]
    rows += [
        (f"{day:%Y-%m-%d}", "fallback", "the queue refused", f"{count:,}", "replayed, or waits to be")
        for day, count in held.fallen_back_by_day(since)
    ]
    drills = FallbackDrill.objects.using(conf.database).filter(requested_at__gte=since).order_by("id")
    rows += [
        (
            f"{row.requested_at:%Y-%m-%d}",
            "drill",
            "asked for",
            f"{row.fallen_back:,}",
            "all counted" if row.verified_at else "not shown to be counted",
        )
        for row in drills
    ]
    if rows:
        yield from _table(("day", "what", "why", "events", "what was done"), sorted(rows))
    else:
        yield "None were seen."
    yield ""
    beat = ConsumerHeartbeat.objects.using(conf.database).filter(name=conf.queue.name).first()
    if beat is not None and beat.started_at is not None:
        started = f"{beat.started_at:%Y-%m-%d %H:%M:%S}"
        yield f"The consumer was started last on {started} (UTC); breaker: {beat.breaker}."
        yield ""
    yield from _done_by_people(since)


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
        yield from _table(("when (UTC)", "who", "to", "what"), rows)


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(titles)} |"
    yield "|" + "---|" * len(titles)
    for row in rows:
        yield f"| {' | '.join(_cell(cell) for cell in row)} |"


def _cell(text: str) -> str:
    """One line that can't end its cell, nor be taken for markup."""
    return printable(text).replace("|", "\\|").replace("<", "&lt;")
