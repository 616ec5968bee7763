"""A verification's report as a person reads it."""

from __future__ import annotations

from collections.abc import Iterator

from stats.verification.shapes import Basis, Hour, Report

HOURS_SHOWN = 48
ROUTES_SHOWN = 15
IDS_SHOWN = 5


def text(report: Report) -> str:
    return "\n".join(_lines(report))


def _lines(report: Report) -> Iterator[str]:
    error = "nothing to compare" if report.error is None else f"error {report.error:.3%}"
    yield (
        f"{report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} (UTC): {report.verdict.upper()},"
        f" {error}, tolerance {report.tolerance:.3%} ({report.seconds:.1f} s)"
    )
    yield ""
    if report.findings:
        yield "Look at this first:"
        yield from (f"  - {finding}" for finding in report.findings)
        yield ""
    yield from _hours(report.hours)
    if report.routes:
        yield "Routes that differ most:"
        yield f"  {'queue':>10} {'collector':>10} {'missing here':>13} {'and there':>10}  route"
        for row in report.routes[:ROUTES_SHOWN]:
            yield (
                f"  {row.queue:>10,} {row.collector:>10,} {row.missing_in_queue:>13,}"
                f" {row.missing_in_collector:>10,}  {row.route}"
            )
        yield ""
    for side, ids in (("queue path", report.missing_in_queue), ("collector", report.missing_in_collector)):
        if ids:
            more = f" and {len(ids) - IDS_SHOWN:,} more listed" if len(ids) > IDS_SHOWN else ""
            yield f"Missing in the {side}: {', '.join(ids[:IDS_SHOWN])}{more}"
    if report.missing_in_queue:
        yield f"  of these: {report.explanation}"
    inside = report.inside
    yield (
        f"Queue path by itself: {inside.rows:,} rows, {inside.duplicates:,} duplicates,"
        f" {len(inside.mismatches):,} hours whose statistics differ from their rows,"
        f" {len(inside.gaps):,} gaps, {inside.dead_letters:,} dead letters,"
        f" {inside.fallback_waiting:,} events wait to be replayed"
    )


def _hours(hours: list[Hour]) -> Iterator[str]:
    if not hours:
        yield "No hour could be compared: there was nothing on either side, or no ids and no mode dual."
        yield ""
        return
    shown = sorted(hours, key=lambda row: (-row.error, row.hour))[:HOURS_SHOWN]
    title = (
        "Hours" if len(shown) == len(hours) else f"The {len(shown)} of {len(hours)} hours that differ most"
    )
    yield f"{title} (UTC):"
    yield f"  {'hour':16} {'mode':8} {'queue':>10} {'collector':>10} {'missing':>17} {'error':>9}"
    for row in sorted(shown, key=lambda row: (row.hour, row.mode)):
        missing = f"{row.missing_in_queue:,} / {row.missing_in_collector:,}"
        by = " (by counts)" if row.basis is Basis.COUNTS else ""
        yield (
            f"  {row.hour:%Y-%m-%d %H:00} {row.mode:8} {row.queue:>10,} {row.collector:>10,} {missing:>17}"
            f" {row.error:>9.3%}  {row.verdict}{by}"
        )
    yield ""
