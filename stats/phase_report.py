"""The report of a phase of the cutover, as one Markdown text of live figures.

Acceptance (the readiness), the comparison of the two paths day by day, and the problems that were seen, with
what was done about them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from gateway import modes
from gateway.conf import conf
from gateway.models import ModeChange
from stats import read_from
from stats.markdown import cell, table
from stats.models import ReadComparison, TotalsHourly, VerificationReport
from stats.phase_problems import problems
from stats.readiness import State, readiness

DAY = timedelta(days=1)
MARKS = {State.PASS: "pass", State.FAIL: "**fail**", State.UNKNOWN: "not enough data"}


def phase_report(days: int, now: datetime | None = None) -> str:
    """The last `days` days and today. Raises django.db.Error and CollectorRefused."""
    now = now or datetime.now(UTC)
    since = now.replace(hour=0, minute=0, second=0, microsecond=0) - days * DAY
    parts = (_head(since, now), _acceptance(now), _comparison(since, now), _problems(since))
    return "\n".join(line for part in parts for line in [*part, ""])


def _head(since: datetime, now: datetime) -> Iterator[str]:
    in_force = modes.in_force()
    share = f" ({in_force.sample_rate:.3%})" if in_force.mode == "sample" else ""
    yield f"# Traffic statistics: {since:%Y-%m-%d} to {now:%Y-%m-%d %H:%M} (UTC)"
    yield ""
    yield f"Mode in force: {in_force.mode}{share}."
    changes = ModeChange.objects.using(conf.database).filter(changed_at__gte=since).order_by("id")
    for change in changes:
        why = f": {cell(change.note)}" if change.note else ""
        yield f"- {change}, by {cell(change.changed_by) or 'the settings'}{why}"
    yield ""
    yield from _readers(since)


def _readers(since: datetime) -> Iterator[str]:
    yield f"Readers: {read_from.in_force().percent:g} % of them are answered by the queue path."
    rows = ReadComparison.objects.using(conf.database).filter(made_at__gte=since)
    compared, differing = rows.count(), rows.filter(difference__gt=0).count()
    if compared:
        yield f"Of {compared:,} answers that were compared with the other path's, {differing:,} differed."


def _acceptance(now: datetime) -> Iterator[str]:
    found = readiness(now)
    yield "## Acceptance"
    yield ""
    yield "Every condition passes." if found.is_open else "Not every condition passes."
    yield ""
    yield from table(
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
    yield from table(("day", "requests", "compared", "error", "verdict", "look at"), list(_days(since, now)))


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


def _problems(since: datetime) -> Iterator[str]:
    yield "## Problems"
    yield ""
    yield from problems(since)
