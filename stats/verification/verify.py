"""Verification: whether queue path and legacy collector count the same, over a time that is over.

By ids where both sides keep them; by routes and hours where one side has counts only. Each hour is judged by
the mode that was in force: in `dual` both sides have to hold the same events, in `sample` those of the share,
in `legacy` and `queue` whatever the collector holds has to be in the queue path as well. The queue path is
compared with itself, too: statistics with rows.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from itertools import pairwise

from django.db import connections

from gateway import modes
from gateway.conf import conf
from gateway.idempotency import id_prefix
from gateway.modes import InForce, Span
from legacy_collector import held
from stats.reports.reading import reading
from stats.settled import HOUR, SETTLE, hour_of, mode_of, settled
from stats.verification import counts, findings, ids
from stats.verification.findings import FEWEST
from stats.verification.shapes import (
    DEAD,
    NOWHERE,
    WAITING,
    Basis,
    Hour,
    Inside,
    Report,
    RollupMismatch,
    Route,
    Verdict,
)

TOLERANCE = 0.01
SAMPLE_TOLERANCE = 0.05  # of an hour of mode sample
STATEMENT_SECONDS = 60.0
ROUTES_LISTED = 100

_SEALED = "SELECT day FROM stats_trafficday WHERE sealed_at IS NOT NULL AND day BETWEEN %s AND %s"
_HOURS_DROPPED = (
    "SELECT day FROM stats_trafficday WHERE hours_dropped_at IS NOT NULL AND day BETWEEN %s AND %s"
)
_DEAD = "SELECT count(*) FROM stats_deadletter WHERE state = 'dead' AND event_id >= %s AND event_id < %s"


def verify(
    since: datetime,
    until: datetime,
    tolerance: float = TOLERANCE,
    progress: Callable[[float], None] = lambda share: None,
) -> Report:
    """Compares the hours (UTC) from `since` up to `until`, as far as they have settled.

    Raises ValueError that names the argument, CollectorRefused and django.db.Error.
    """
    now = datetime.now(UTC)
    started = time.monotonic()
    until = min(until, hour_of(now - SETTLE))
    _check(since, until, tolerance)
    with reading(STATEMENT_SECONDS):
        spans = settled(modes.spans(since, until))
        dropped = _days(_SEALED, since, until)
        comparison = ids.Comparison(spans, held.totals(since, until), held.given_up_to(), dropped)
        compared = comparison.run(since, until, progress)
        routes: defaultdict[str, Route] = defaultdict(lambda: Route(route=""))
        inside = _compare_counts(since, until, spans, compared, dropped, routes)
        missing = compared.missing
        _tally(held.routes_of(missing.in_queue), "missing_in_queue", routes)
        _tally(ids.routes_in_queue(missing.in_collector), "missing_in_collector", routes)
        explained = _explain(missing.in_queue)
        inside.dead_letters = _dead(since, until)
        inside.fallback_waiting = held.waiting_between(since, until)
    hours = sorted(compared.hours.values(), key=lambda row: (row.hour, row.mode))
    for row in hours:
        row.verdict = _verdict(row, tolerance)
    different = sorted((row for row in routes.values() if row.difference), key=lambda row: -row.difference)
    gross = list(findings.gross(hours, different))
    return Report(
        since=since,
        until=until,
        made_at=now,
        seconds=round(time.monotonic() - started, 3),
        tolerance=tolerance,
        verdict=_overall(hours, bool(gross), inside, tolerance),
        error=_error(hours),
        findings=[str(found) for found in findings.findings(hours, different, inside)],
        hours=hours,
        routes=different[:ROUTES_LISTED],
        missing_in_queue=missing.in_queue[: ids.LISTED],
        missing_in_collector=missing.in_collector[: ids.LISTED],
        explained=explained,
        inside=inside,
    )


def _check(since: datetime, until: datetime, tolerance: float) -> None:
    if since != hour_of(since) or until != hour_of(until):
        raise ValueError("since, until: not the beginning of an hour (UTC)")
    if since >= until:
        end = f"{until:%Y-%m-%d %H:%M}"
        raise ValueError(f"since: {since:%Y-%m-%d %H:%M} is not before {end}, where what has settled ends")
    if not 0 < tolerance <= 1:
        raise ValueError(f"tolerance: {tolerance!r} is no share above 0, at most 1")


def _compare_counts(
    since: datetime,
    until: datetime,
    spans: list[Span],
    compared: ids.Compared,
    dropped: set[date],
    routes: defaultdict[str, Route],
) -> Inside:
    """Routes of whole hours in `dual`, and statistics against rows."""
    inside = Inside(rows=compared.rows.total(), duplicates=compared.duplicates)
    totals = counts.totals(since, until)
    unknown = dropped | _days(_HOURS_DROPPED, since, until)
    seen = []
    for hour, queue, collector in _every_hour(counts.both(since, until), compared.rows):
        seen.append(hour)
        rows, total, summed = compared.rows[hour], totals.get(hour, 0), sum(queue.values())
        if hour.date() not in unknown and not rows == total == summed:
            inside.mismatches.append(RollupMismatch(hour=hour, rows=rows, totals=total, routes=summed))
        in_force = mode_of(hour, spans)
        if in_force is not None and in_force.mode == "dual":
            _add_routes(routes, queue, collector)
            if hour in compared.incomplete:
                compared.hours[hour, in_force] = _by_counts(hour, in_force, queue, collector)
    inside.gaps = _gaps(sorted(seen))
    return inside


def _every_hour(
    counted: Iterator[tuple[datetime, counts.Counts, counts.Counts]], rows: Mapping[datetime, int]
) -> Iterator[tuple[datetime, counts.Counts, counts.Counts]]:
    """Those that are counted, then those that have rows only."""
    seen = set()
    for hour, queue, collector in counted:
        seen.add(hour)
        yield hour, queue, collector
    yield from ((hour, {}, {}) for hour, found in rows.items() if found and hour not in seen)


def _by_counts(hour: datetime, in_force: InForce, queue: counts.Counts, collector: counts.Counts) -> Hour:
    every = {*queue, *collector}
    less = sum(max(0, collector.get(route, 0) - queue.get(route, 0)) for route in every)
    more = sum(max(0, queue.get(route, 0) - collector.get(route, 0)) for route in every)
    return Hour(
        hour=hour,
        mode=in_force.mode,
        sample_rate=in_force.sample_rate,
        basis=Basis.COUNTS,
        queue=sum(queue.values()),
        collector=sum(collector.values()),
        missing_in_queue=less,
        missing_in_collector=more,
    )


def _add_routes(routes: defaultdict[str, Route], queue: counts.Counts, collector: counts.Counts) -> None:
    for route in {*queue, *collector}:
        row = routes[route]
        row.route = route
        row.queue += queue.get(route, 0)
        row.collector += collector.get(route, 0)


def _tally(found: Mapping[str, str], name: str, routes: defaultdict[str, Route]) -> None:
    for route, count in Counter(found.values()).items():
        routes[route].route = route
        setattr(routes[route], name, getattr(routes[route], name) + count)


def _explain(missing: list[str]) -> dict[str, int]:
    """Where those are that the queue path lacks."""
    waiting, dead = len(held.waiting_among(missing)), ids.dead_among(missing)
    nowhere = max(0, len(missing) - waiting - dead)
    return {WAITING: waiting, DEAD: dead, NOWHERE: nowhere}


# --- verdicts ----------------------------------------------------------------------------------------


def _verdict(row: Hour, tolerance: float) -> Verdict:
    if row.mode == "sample" and row.compared < FEWEST:
        return Verdict.UNKNOWN
    if not row.compared:
        return Verdict.UNKNOWN
    bound = SAMPLE_TOLERANCE if row.mode == "sample" else tolerance
    return Verdict.HOLDS if row.error < bound else Verdict.FAILS


def _overall(hours: list[Hour], is_gross: bool, inside: Inside, tolerance: float) -> Verdict:
    """`dual` as a whole, since one of its hours may hold few events; `sample` hour by hour."""
    sampled = [row.verdict for row in hours if row.mode == "sample"]
    if is_gross or inside.duplicates or inside.mismatches or Verdict.FAILS in sampled:
        return Verdict.FAILS
    error = _error(row for row in hours if row.mode != "sample")
    if error is None:
        return Verdict.HOLDS if Verdict.HOLDS in sampled else Verdict.UNKNOWN
    return Verdict.HOLDS if error < tolerance else Verdict.FAILS


def _error(hours: Iterable[Hour]) -> float | None:
    hours = list(hours)
    compared = sum(row.compared for row in hours)
    if not compared:
        return None
    return sum(row.missing_in_queue + row.missing_in_collector for row in hours) / compared


# --- time --------------------------------------------------------------------------------------------


def _gaps(seen: list[datetime]) -> list[datetime]:
    gaps = []
    for before, after in pairwise(seen):
        gaps += [before + number * HOUR for number in range(1, (after - before) // HOUR)]
    return gaps


def _days(sql: str, since: datetime, until: datetime) -> set[date]:
    with connections[conf.database].cursor() as cursor:
        cursor.execute(sql, [since.date(), until.date()])
        return {day for (day,) in cursor.fetchall()}


def _dead(since: datetime, until: datetime) -> int:
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_DEAD, [id_prefix(since), id_prefix(until)])
        return int(cursor.fetchone()[0])
