"""What a person should look at first, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway.phrase import Phrase
from stats.verification.shapes import Hour, Inside, Route

FEWEST = 20  # events; fewer say nothing
GROSS = 0.5  # share by which a route, or an hour, is wrong by itself, whatever the whole says


def findings(hours: Iterable[Hour], routes: Iterable[Route], inside: Inside) -> Iterator[Phrase]:
    """All of them, what is wrong by itself first."""
    hours = list(hours)
    yield from gross(hours, routes)
    yield from _altered(hours)
    yield from _of_the_inside(inside)


def gross(hours: Iterable[Hour], routes: Iterable[Route]) -> Iterator[Phrase]:
    """Hours and routes that are wrong by half."""
    yield from _gross_hours(hours)
    yield from _gross_routes(routes)


def _gross_hours(hours: Iterable[Hour]) -> Iterator[Phrase]:
    for row in hours:
        if row.compared >= FEWEST and row.error >= GROSS:
            numbers = {
                "hour": f"{row.hour:%Y-%m-%d %H:00}",
                "missing": f"{max(row.missing_in_queue, row.missing_in_collector):,}",
                "compared": f"{row.compared:,}",
            }
            if row.missing_in_queue > row.missing_in_collector:
                yield Phrase(
                    "hour %(hour)s: the queue path lacks %(missing)s of %(compared)s requests", **numbers
                )
            else:
                yield Phrase(
                    "hour %(hour)s: the collector lacks %(missing)s of %(compared)s requests", **numbers
                )


def _gross_routes(routes: Iterable[Route]) -> Iterator[Phrase]:
    for row in routes:
        most = max(row.queue, row.collector, row.missing_in_queue, row.missing_in_collector)
        if most >= FEWEST and row.difference >= GROSS * most:
            yield Phrase(
                "route %(route)s: %(queue)s in the queue path, %(collector)s in the collector"
                " (%(missing_in_queue)s and %(missing_in_collector)s ids missing)",
                route=row.route,
                queue=f"{row.queue:,}",
                collector=f"{row.collector:,}",
                missing_in_queue=f"{row.missing_in_queue:,}",
                missing_in_collector=f"{row.missing_in_collector:,}",
            )


def _altered(hours: Iterable[Hour]) -> Iterator[Phrase]:
    altered = sum(row.altered for row in hours)
    if altered:
        yield Phrase(
            "ids: %(count)s requests have another id on either side at the same millisecond",
            count=f"{altered:,}",
        )


def _of_the_inside(inside: Inside) -> Iterator[Phrase]:
    if inside.duplicates:
        yield Phrase("duplicates: %(count)s ids are stored more than once", count=f"{inside.duplicates:,}")
    for row in inside.mismatches:
        yield Phrase(
            "statistics of %(hour)s: %(rows)s rows, but its total says %(total)s and its routes %(routes)s",
            hour=f"{row.hour:%Y-%m-%d %H:00}",
            rows=f"{row.rows:,}",
            total=f"{row.totals:,}",
            routes=f"{row.routes:,}",
        )
    if inside.gaps:
        yield Phrase(
            "gaps: %(count)s hours without traffic between hours with it, first %(first)s",
            count=f"{len(inside.gaps)}",
            first=f"{inside.gaps[0]:%Y-%m-%d %H:00}",
        )
    if inside.dead_letters:
        yield Phrase(
            "dead letters: %(count)s events of this time wait for a person", count=f"{inside.dead_letters:,}"
        )
    if inside.fallback_waiting:
        yield Phrase(
            "fallback: %(count)s events of this time wait to be replayed",
            count=f"{inside.fallback_waiting:,}",
        )
