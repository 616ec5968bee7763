"""Which hours both paths had to count alike: those that are over, all through which a mode was in force."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.modes import InForce, Span

SETTLE = timedelta(minutes=15)  # what arrives late has arrived by then
AROUND_A_CHANGE = timedelta(seconds=30)  # of mode: until every process knows, and has sent what waited
HOUR = timedelta(hours=1)


def hour_of(moment: datetime) -> datetime:
    """The beginning of its hour."""
    return moment.replace(minute=0, second=0, microsecond=0)


def settled(spans: Sequence[Span]) -> list[Span]:
    """Without the moments around each change, in which processes may go by either."""
    found = []
    for number, span in enumerate(spans):
        since = span.since + (AROUND_A_CHANGE if number else timedelta())
        until = span.until - (AROUND_A_CHANGE if number < len(spans) - 1 else timedelta())
        if since < until:
            found.append(Span(since, until, span.in_force))
    return found


def mode_of(hour: datetime, spans: Sequence[Span]) -> InForce | None:
    """The mode that was in force all through the hour, if one was."""
    for span in spans:
        if span.since <= hour and hour + HOUR <= span.until:
            return span.in_force
    return None
