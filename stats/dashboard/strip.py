"""How the pipeline is, at a glance: one sign for each of its parts, each leading to where it is repaired."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import Error, connections
from django.urls import reverse
from django.utils.translation import gettext

from gateway import modes, segments
from gateway.conf import conf
from gateway.idempotency import id_prefix
from gateway.logs import printable
from legacy_collector import collector
from legacy_collector.database import CollectorRefused
from stats import heartbeat, vitals
from stats.dashboard import numbers
from stats.errors import one_line
from stats.models import ConsumerHeartbeat, VerificationReport
from stats.reports.errors import ReportTimedOut
from stats.reports.reading import reading

logger = logging.getLogger(__name__)

GOOD, WARNING, BAD, UNKNOWN = "good", "warning", "bad", "unknown"
WORDS = {GOOD: "fine", WARNING: "look at this", BAD: "needs repair", UNKNOWN: "not known"}

# From where on a figure is a warning, and from where on it needs repair.
OLDEST_SECONDS = (10.0, 60.0)
BACKLOG_EVENTS = (10_000, 100_000)
HEARTBEAT_SECONDS = (15.0, heartbeat.STALE_SECONDS)
FALLBACK_EVENTS = (1, 1_000)
LETTERS = (1, 1_000)
JOURNAL_EVENTS = (10_000, 100_000)

NAME = 24  # characters of who paused it
RATE_SECONDS = 10
SETTLED = timedelta(seconds=1)  # what was answered before has been counted, as a rule
RATE_CAP = 50_000  # events that are counted for it

_COUNTED = """
SELECT count(*)
FROM (SELECT FROM stats_event WHERE idempotent_id >= %s AND idempotent_id < %s LIMIT %s) AS found
"""


@dataclass(frozen=True)
class Sign:
    """One part of the pipeline. `bounds` says from where on it is a warning, and from where on it is bad."""

    name: str
    figure: str
    state: str
    link: str
    bounds: str = ""

    @property
    def word(self) -> str:
        return WORDS[self.state]


def strip() -> list[Sign]:
    """All parts; one that can't be asked is unknown. Never raises."""
    found = vitals.take()
    if not found.database_up:
        return [
            Sign("Database", "away", BAD, _page("stats_consumerheartbeat")),
            _mode(modes.known().mode),
            _journal(),
            *_asked("Fallback", _fallback),
        ]
    signs = [*_backlog(found), *_asked("Counted", _rate), *_consumer(found), *_letters(found)]
    signs += [*_asked("Fallback", _fallback), _journal(), _mode(modes.in_force().mode)]
    return [*signs, *_asked("Verification", _verification)]


def _asked(name: str, part: Callable[[], Sign]) -> Iterator[Sign]:
    try:
        yield part()
    except (Error, OSError, CollectorRefused, ReportTimedOut) as error:
        logger.warning("Dashboard: %s can't be asked: %s", name, one_line(error))
        yield Sign(name, numbers.UNKNOWN, UNKNOWN, "")


def _backlog(found: vitals.Vitals) -> Iterator[Sign]:
    link = _page("gateway_queuedbatch")
    if found.backlog is None:
        yield Sign("Waiting", numbers.UNKNOWN, UNKNOWN, link)
        return
    events, oldest = found.backlog.events, found.backlog.oldest_seconds
    yield _sign("Waiting", events, BACKLOG_EVENTS, f"{numbers.count(events)} events", link)
    yield _sign("Oldest", oldest, OLDEST_SECONDS, numbers.seconds(oldest) if events else "none", link)


def _rate() -> Sign:
    """Of the last whole seconds whose events have had time to arrive."""
    until = datetime.now(UTC) - SETTLED
    bounds = [id_prefix(until - timedelta(seconds=RATE_SECONDS)), id_prefix(until)]
    with reading(vitals.SECONDS), connections[conf.database].cursor() as cursor:
        cursor.execute(_COUNTED, [*bounds, RATE_CAP])
        count = cursor.fetchone()[0]
    more = "over " if count >= RATE_CAP else ""
    return Sign("Counted", f"{more}{count / RATE_SECONDS:,.1f} a second", GOOD, _page("stats_event"))


def _consumer(found: vitals.Vitals) -> Iterator[Sign]:
    link = _page("stats_consumerheartbeat")
    beat = found.consumer
    if beat is None:
        yield Sign("Consumer", "has not run yet", WARNING, link)
        return
    if beat.paused_by:
        figure = gettext("paused by %(name)s") % {"name": printable(beat.paused_by)[:NAME]}
        yield Sign("Consumer", figure, WARNING, _page("gateway_queuedbatch"))
        return
    if beat.breaker != ConsumerHeartbeat.Breaker.CLOSED:
        yield Sign("Consumer", "breaker open", BAD, link)
        return
    age = beat.heartbeat_age_seconds
    yield _sign("Consumer", age, HEARTBEAT_SECONDS, f"alive {numbers.seconds(age)} ago", link)


def _letters(found: vitals.Vitals) -> Iterator[Sign]:
    link = _page("stats_deadletter")
    if found.dead_letters is None:
        yield Sign("Dead letters", numbers.UNKNOWN, UNKNOWN, link)
        return
    count = sum(found.dead_letters.values())
    yield _sign("Dead letters", count, LETTERS, f"{numbers.count(count)} new", link)


def _fallback() -> Sign:
    count = collector.pending()
    link = reverse("admin:stats_fallback")
    return _sign("Fallback", count, FALLBACK_EVENTS, f"{numbers.count(count)} waiting", link)


def _journal() -> Sign:
    """Of this host."""
    count = segments.pending()
    return _sign("Journal", count, JOURNAL_EVENTS, f"{numbers.count(count)} waiting", "")


def _mode(mode: str) -> Sign:
    return Sign("Mode", mode, GOOD, _page("gateway_modechange"))


def _verification() -> Sign:
    link = _page("stats_verificationreport")
    report = VerificationReport.objects.using(conf.database).only("verdict", "until").first()
    if report is None:
        return Sign("Verification", "none yet", UNKNOWN, link)
    verdict = VerificationReport.Verdict
    states = {verdict.HOLDS.value: GOOD, verdict.FAILS.value: BAD}
    return Sign("Verification", report.verdict, states.get(report.verdict, WARNING), link)


def _sign(name: str, value: float, bounds: tuple[float, float], figure: str, link: str) -> Sign:
    state = BAD if value >= bounds[1] else WARNING if value >= bounds[0] else GOOD
    return Sign(name, figure, state, link, f"a warning from {bounds[0]:,g}, bad from {bounds[1]:,g}")


def _page(model: str) -> str:
    return reverse(f"admin:{model}_changelist")
