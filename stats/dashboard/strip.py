"""How the pipeline is, at a glance: one sign for each of its parts, each leading to where it is repaired."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import Error, connections
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gateway import modes, segments
from gateway.conf import conf
from gateway.idempotency import id_prefix
from gateway.logs import printable
from legacy_collector import collector
from legacy_collector.database import CollectorRefused
from stats import heartbeat, vitals
from stats.dashboard import numbers
from stats.errors import one_line
from stats.models import AlertRule, ConsumerHeartbeat, VerificationReport
from stats.reports.errors import ReportTimedOut
from stats.reports.reading import reading

logger = logging.getLogger(__name__)

GOOD, WARNING, BAD, UNKNOWN = "good", "warning", "bad", "unknown"
WORDS = {GOOD: _("fine"), WARNING: _("look at this"), BAD: _("needs repair"), UNKNOWN: _("not known")}

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

# What came is stored by now, or it waits; a batch says when it came, an event's id when it was answered.
_CAME = """
SELECT
    (SELECT count(*) FROM (
        SELECT FROM stats_event WHERE idempotent_id >= %s AND idempotent_id < %s LIMIT %s) AS found),
    (SELECT coalesce(sum(events), 0) FROM gateway_queuedbatch WHERE created_at >= %s AND created_at < %s)
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
    def word(self) -> Promise:
        return WORDS[self.state]


def strip() -> list[Sign]:
    """All parts; one that can't be asked is unknown. Never raises."""
    found = vitals.take()
    if not found.database_up:
        return [
            Sign(gettext("Database"), gettext("away"), BAD, _page("stats_consumerheartbeat")),
            _mode(modes.known().mode),
            _journal(),
            *_asked(gettext("Fallback"), _fallback),
        ]
    signs = [*_alerts(found), *_backlog(found)]
    signs += [*_asked(gettext("Coming in"), _came), *_consumer(found), *_letters(found)]
    signs += [*_asked(gettext("Fallback"), _fallback), _journal(), _mode(modes.in_force().mode)]
    return [*signs, *_asked(gettext("Verification"), _verification)]


def _asked(name: str, part: Callable[[], Sign]) -> Iterator[Sign]:
    try:
        yield part()
    except (Error, OSError, CollectorRefused, ReportTimedOut) as error:
        logger.warning("Dashboard: %s can't be asked: %s", name, one_line(error))
        yield Sign(name, numbers.UNKNOWN, UNKNOWN, "")


def _alerts(found: vitals.Vitals) -> Iterator[Sign]:
    """Only when something fires."""
    if found.firing and (count := sum(found.firing.values())):
        state = BAD if found.firing.get(AlertRule.Severity.CRITICAL) else WARNING
        yield Sign(
            gettext("Alerts"), gettext("%(count)d firing") % {"count": count}, state, _page("stats_alert")
        )


def _backlog(found: vitals.Vitals) -> Iterator[Sign]:
    link = _page("gateway_queuedbatch")
    if found.backlog is None:
        yield Sign(gettext("Waiting"), numbers.UNKNOWN, UNKNOWN, link)
        return
    events, oldest = found.backlog.events, found.backlog.oldest_seconds
    waiting = gettext("%(count)s events") % {"count": numbers.count(events)}
    yield _sign(gettext("Waiting"), events, BACKLOG_EVENTS, waiting, link)
    age = numbers.seconds(oldest) if events else gettext("none")
    yield _sign(gettext("Oldest"), oldest, OLDEST_SECONDS, age, link)


def _came() -> Sign:
    """Of the last whole seconds whose events have had time to arrive."""
    until = datetime.now(UTC) - SETTLED
    since = until - timedelta(seconds=RATE_SECONDS)
    with reading(vitals.SECONDS), connections[conf.database].cursor() as cursor:
        cursor.execute(_CAME, [id_prefix(since), id_prefix(until), RATE_CAP, since, until])
        stored, waiting = cursor.fetchone()
    told = gettext("over %(count)s a second") if stored >= RATE_CAP else gettext("%(count)s a second")
    figure = told % {"count": f"{(stored + waiting) / RATE_SECONDS:,.1f}"}
    return Sign(gettext("Coming in"), figure, GOOD, _page("stats_event"))


def _consumer(found: vitals.Vitals) -> Iterator[Sign]:
    link = _page("stats_consumerheartbeat")
    beat = found.consumer
    if beat is None:
        yield Sign(gettext("Consumer"), gettext("has not run yet"), WARNING, link)
        return
    if beat.paused_by:
        figure = gettext("paused by %(name)s") % {"name": printable(beat.paused_by)[:NAME]}
        yield Sign(gettext("Consumer"), figure, WARNING, _page("gateway_queuedbatch"))
        return
    if beat.breaker != ConsumerHeartbeat.Breaker.CLOSED:
        yield Sign(gettext("Consumer"), gettext("breaker open"), BAD, link)
        return
    figure = gettext("%(count)s a second") % {"count": f"{beat.per_second:,.1f}"}
    yield Sign(gettext("Counted"), figure, GOOD, link)
    age = beat.heartbeat_age_seconds
    alive = gettext("alive %(time)s ago") % {"time": numbers.seconds(age)}
    yield _sign(gettext("Consumer"), age, HEARTBEAT_SECONDS, alive, link)


def _letters(found: vitals.Vitals) -> Iterator[Sign]:
    link = _page("stats_deadletter")
    if found.dead_letters is None:
        yield Sign(gettext("Dead letters"), numbers.UNKNOWN, UNKNOWN, link)
        return
    count = sum(found.dead_letters.values())
    new = gettext("%(count)s new") % {"count": numbers.count(count)}
    yield _sign(gettext("Dead letters"), count, LETTERS, new, link)


def _fallback() -> Sign:
    count = collector.pending()
    link = reverse("admin:stats_fallback")
    return _sign(gettext("Fallback"), count, FALLBACK_EVENTS, _waiting(count), link)


def _journal() -> Sign:
    """Of this host."""
    count = segments.pending()
    return _sign(gettext("Journal"), count, JOURNAL_EVENTS, _waiting(count), "")


def _waiting(count: int) -> str:
    return gettext("%(count)s waiting") % {"count": numbers.count(count)}


def _mode(mode: str) -> Sign:
    return Sign(gettext("Mode"), mode, GOOD, _page("gateway_modechange"))


def _verification() -> Sign:
    link = _page("stats_verificationreport")
    report = VerificationReport.objects.using(conf.database).only("verdict", "until").first()
    if report is None:
        return Sign(gettext("Verification"), gettext("none yet"), UNKNOWN, link)
    verdict = VerificationReport.Verdict
    states = {verdict.HOLDS.value: GOOD, verdict.FAILS.value: BAD}
    figure = report.get_verdict_display()
    return Sign(gettext("Verification"), figure, states.get(report.verdict, WARNING), link)


def _sign(name: str, value: float, bounds: tuple[float, float], figure: str, link: str) -> Sign:
    state = BAD if value >= bounds[1] else WARNING if value >= bounds[0] else GOOD
    told = gettext("a warning from %(warning)s, bad from %(bad)s")
    return Sign(name, figure, state, link, told % {"warning": f"{bounds[0]:,g}", "bad": f"{bounds[1]:,g}"})


def _page(model: str) -> str:
    return reverse(f"admin:{model}_changelist")
