"""The figures of a range, each with its change against the range before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from django.utils.translation import gettext

from stats.dashboard import numbers
from stats.reports.shapes import Distinct, Figures, Overview, Quantile, RouteReport

STEADY = 0.005  # a change that is none


@dataclass(frozen=True)
class Card:
    """One figure. `kind` colours the change: good, bad, or "" where neither is said."""

    title: str
    value: str
    note: str = ""  # beside the value: what it is worth
    change: str = ""
    kind: str = ""
    before: str = ""


def cards(found: Overview | RouteReport, is_compared: bool) -> list[Card]:
    """Requests, error rate, response times, clients, bytes."""
    return list(_cards(found.current, found.previous if is_compared else None))


def _cards(now: Figures, before: Figures | None) -> Iterator[Card]:
    yield _card(gettext("Requests"), now, before, lambda of: of.requests, numbers.count, more_is="")
    yield _card(gettext("Error rate"), now, before, _error_rate, numbers.share, more_is="bad")
    for rank in ("p50", "p95", "p99"):
        yield _card(
            rank,
            now,
            before,
            lambda of, rank=rank: _value(getattr(of, rank)),  # type: ignore[misc]
            numbers.milliseconds,
            more_is="bad",
            note=_quantile_note(getattr(now, rank)),
        )
    yield _card(
        *(gettext("Clients"), now, before, _clients, numbers.count),
        more_is="",
        note=_clients_note(now.clients),
    )
    yield _card(gettext("Sent"), now, before, lambda of: of.response_bytes, numbers.size, more_is="")


def _card(
    title: str,
    now: Figures,
    before: Figures | None,
    of: Callable[[Figures], float | None],
    written: Callable[[float], str],
    *,
    more_is: str,
    note: str = "",
) -> Card:
    value, earlier = of(now), of(before) if before else None
    shown = numbers.UNKNOWN if value is None else written(value)
    change = numbers.change(value, earlier)
    if change is None or earlier is None:
        return Card(title, shown, note)
    better = "good" if more_is == "bad" else ""
    kind = "" if abs(change) < STEADY else more_is if change > 0 else better
    return Card(title, shown, note, numbers.signed(change), kind, written(earlier))


def _error_rate(of: Figures) -> float | None:
    return of.error_rate if of.requests else None


def _value(found: Quantile | None) -> float | None:
    return found.value if found else None


def _quantile_note(found: Quantile | None) -> str:
    if found is None or found.is_exact:
        return ""
    return _estimate(numbers.milliseconds(found.lower), numbers.milliseconds(found.upper))


def _clients(of: Figures) -> float | None:
    return of.clients.estimate if of.clients else None


def _clients_note(found: Distinct | None) -> str:
    if found is None or found.is_exact:
        return ""
    if found.is_lower_bound or found.upper is None:
        return gettext("at least")
    return _estimate(numbers.count(found.lower), numbers.count(found.upper))


def _estimate(lower: str, upper: str) -> str:
    return gettext("estimate, %(lower)s to %(upper)s") % {"lower": lower, "upper": upper}
