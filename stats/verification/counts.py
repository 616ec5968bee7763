"""Compares the two paths by what they count for routes and hours, where ids are gone on one side."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter

from django.db import connections

from gateway.conf import conf
from legacy_collector import held
from stats.route_cap import OTHER

_ROUTES = """
SELECT hour, route, requests FROM stats_pathstatshourly WHERE hour >= %s AND hour < %s ORDER BY hour
"""
_TOTALS = "SELECT hour, requests FROM stats_totalshourly WHERE hour >= %s AND hour < %s"
FETCHED = 2_000  # rows

Counts = dict[str, int]  # requests by route


def totals(since: datetime, until: datetime) -> dict[datetime, int]:
    """Requests of each hour as its total says. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_TOTALS, [since, until])
        return dict(cursor.fetchall())


def both(since: datetime, until: datetime) -> Iterator[tuple[datetime, Counts, Counts]]:
    """Each hour that either side knows: of the queue path, of the collector; folded alike.

    Raises CollectorRefused and django.db.Error.
    """
    queue, collector = _queue_hours(since, until), held.hours(since, until)
    one, other = next(queue, None), next(collector, None)
    while one or other:
        hour = min(side[0] for side in (one, other) if side)
        counted: list[Counts] = [{}, {}]
        if one and one[0] == hour:
            counted[0], one = one[1], next(queue, None)
        if other and other[0] == hour:
            counted[1], other = other[1], next(collector, None)
        yield hour, counted[0], folded(counted[1], counted[0])


def folded(collector: Counts, queue: Counts) -> Counts:
    """The collector's counts with the routes that the queue path's cap folded folded, too.

    Where it folded any, these are the ones it has no row for.
    """
    if OTHER not in queue:
        return collector
    kept = {route: requests for route, requests in collector.items() if route in queue}
    rest = sum(collector.values()) - sum(kept.values())
    return {**kept, OTHER: kept.get(OTHER, 0) + rest} if rest else kept


def _queue_hours(since: datetime, until: datetime) -> Iterator[tuple[datetime, Counts]]:
    with connections[conf.database].chunked_cursor() as cursor:
        cursor.execute(_ROUTES, [since, until])
        rows = (row for some in iter(lambda: cursor.fetchmany(FETCHED), []) for row in some)
        for hour, group in groupby(rows, key=itemgetter(0)):
            yield hour, {route: requests for _, route, requests in group}
