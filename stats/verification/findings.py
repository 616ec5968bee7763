"""What a person should look at first, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from stats.verification.shapes import Hour, Inside, Route

FEWEST = 20  # events; fewer say nothing
GROSS = 0.5  # share by which a route, or an hour, is wrong by itself, whatever the whole says


def gross_hours(hours: Iterable[Hour]) -> Iterator[str]:
    for row in hours:
        if row.compared >= FEWEST and row.error >= GROSS:
            side = "the queue path" if row.missing_in_queue > row.missing_in_collector else "the collector"
            lacking = max(row.missing_in_queue, row.missing_in_collector)
            yield f"hour {row.hour:%Y-%m-%d %H:00}: {side} lacks {lacking:,} of {row.compared:,} requests"


def gross_routes(routes: Iterable[Route]) -> Iterator[str]:
    for row in routes:
        most = max(row.queue, row.collector, row.missing_in_queue, row.missing_in_collector)
        if most >= FEWEST and row.difference >= GROSS * most:
            yield (
                f"route {row.route}: {row.queue:,} in the queue path, {row.collector:,} in the collector"
                f" ({row.missing_in_queue:,} and {row.missing_in_collector:,} ids missing)"
            )


def altered(hours: Iterable[Hour]) -> Iterator[str]:
    altered = sum(row.altered for row in hours)
    if altered:
        yield f"ids: {altered:,} requests have another id on either side at the same millisecond"


def of_the_inside(inside: Inside) -> Iterator[str]:
    if inside.duplicates:
        yield f"duplicates: {inside.duplicates:,} ids are stored more than once"
    for row in inside.mismatches:
        yield (
            f"statistics of {row.hour:%Y-%m-%d %H:00}: {row.rows:,} rows, but its total says {row.totals:,}"
            f" and its routes {row.routes:,}"
        )
    if inside.gaps:
        first = f"{inside.gaps[0]:%Y-%m-%d %H:00}"
        yield f"gaps: {len(inside.gaps)} hours without traffic between hours with it, first {first}"
    if inside.dead_letters:
        yield f"dead letters: {inside.dead_letters:,} events of this time wait for a person"
    if inside.fallback_waiting:
        yield f"fallback: {inside.fallback_waiting:,} events of this time wait to be replayed"
