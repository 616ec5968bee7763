"""The values that came most often in an hour, by kind: what a transaction adds to them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

from gateway.events import TrafficEvent
from gateway.statements import execute_bound
from stats.arrays import arrays, given
from stats.columns import Keys
from stats.models import TopValues
from stats.summaries import read_top_values

KINDS: dict[TopValues.Kind, Callable[[Sequence[TrafficEvent]], list[Any]]] = {
    TopValues.Kind.CLIENT: lambda events: [event.client_ip_hash for event in events],
    TopValues.Kind.USER_AGENT: lambda events: [event.user_agent for event in events],
    TopValues.Kind.COUNTRY: lambda events: [event.country for event in events],
    TopValues.Kind.METHOD: lambda events: [event.method for event in events],
    TopValues.Kind.STATUS: lambda events: [event.status for event in events],
}


class FrequentValues:
    """What some events add to the rows of their hours. In three steps, as `stats.rollups.Rollup`."""

    def __init__(self, events: list[TrafficEvent], keys: Keys) -> None:
        self._hours, self._places, self._events = keys.hours, keys.hour_places, events
        found = execute_bound(
            "SELECT (extract(epoch FROM hour) / 3600)::int8, kind, summary FROM stats_topvalueshourly"  # noqa: S608
            f" WHERE hour IN (SELECT hour FROM {given(('hour',))})",
            arrays(("hour",), [(hour,) for hour in self._hours]),
        )
        self._known = {(hour, kind): summary for hour, kind, summary in found}
        self._rows: list[tuple[int, str, int, bytes]] = []

    def pieces(self) -> Iterator[Callable[[], None]]:
        yield self._part
        for place, kind in product(range(len(self._hours)), sorted(KINDS)):
            yield partial(self._add, place, kind)

    def _part(self) -> None:
        self._by_hour: list[list[TrafficEvent]]
        if len(self._hours) == 1:
            self._by_hour = [self._events]
            return
        self._by_hour = [[] for _ in self._hours]
        for place, event in zip(self._places.tolist(), self._events, strict=True):
            self._by_hour[place].append(event)

    def _add(self, place: int, kind: TopValues.Kind) -> None:
        hour = self._hours[place]
        counts = Counter(KINDS[kind](self._by_hour[place]))
        summary = read_top_values(self._known.get((hour, kind), b""))
        summary.update(counts)
        self._rows.append((hour, kind, counts.total(), summary.to_bytes()))

    def write(self) -> None:
        columns = ("hour", "kind", "requests", "summary")
        execute_bound(
            f"INSERT INTO stats_topvalueshourly AS stats ({', '.join(columns)})"  # noqa: S608
            f" SELECT * FROM {given(columns)} ON CONFLICT (hour, kind) DO UPDATE SET"
            " requests = stats.requests + excluded.requests, summary = excluded.summary",
            arrays(columns, self._rows),
        )
