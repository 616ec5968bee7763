"""What can be measured: in which unit, how far it goes, and where a person repairs it."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from stats.dashboard import numbers
from stats.models import AlertRule

Measure = AlertRule.Measure
PERCENT, MILLISECONDS, SECONDS, COUNT = "%", "ms", "s", ""


@dataclass(frozen=True)
class Kind:
    """One measure. `page` is the admin page where it is repaired, `advice` what to do there."""

    unit: str
    page: str
    advice: Promise
    is_of_traffic: bool = False  # it has a route, and needs some requests
    most: float | None = None

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return self.unit == COUNT


_INDEX, _QUEUE, _CONSUMER = "index", "gateway_queuedbatch_changelist", "stats_consumerheartbeat_changelist"
_FAILING = _(
    "Look at the routes with most errors on the first page: whose are they, since when, what changed?"
)
_CHANGED = _("Compare with the week before on the first page: is it one client, one route, or all of them?")

KINDS: dict[str, Kind] = {
    Measure.SERVER_ERROR_RATE: Kind(PERCENT, _INDEX, _FAILING, is_of_traffic=True, most=100),
    Measure.ERROR_RATE: Kind(PERCENT, _INDEX, _FAILING, is_of_traffic=True, most=100),
    Measure.P95: Kind(
        MILLISECONDS,
        _INDEX,
        _("Look at the slowest routes on the first page, and at slow requests on the page of a route."),
        is_of_traffic=True,
    ),
    Measure.TRAFFIC_JUMP: Kind(PERCENT, _INDEX, _CHANGED, is_of_traffic=True),
    Measure.TRAFFIC_DROP: Kind(PERCENT, _INDEX, _CHANGED, is_of_traffic=True, most=100),
    Measure.BACKLOG: Kind(
        COUNT,
        _QUEUE,
        _("Is the consumer alive, not paused, its breaker closed? Then it catches up by itself."),
    ),
    Measure.OLDEST_AGE: Kind(
        SECONDS,
        _QUEUE,
        _("Look at the last error of the oldest batch, and whether the consumer is alive and not paused."),
    ),
    Measure.DEAD_LETTERS: Kind(
        COUNT,
        "stats_deadletter_changelist",
        _("Look at the reason of the newest ones, mend it, then redrive them; discard what is no request."),
    ),
    Measure.HEARTBEAT_AGE: Kind(
        SECONDS,
        _CONSUMER,
        _("Start the worker, or look into its log: its supervisor restarts it if it can."),
    ),
    Measure.FALLBACK: Kind(
        COUNT,
        "legacy_collector_collectedevent_changelist",
        _("The queue could not be reached and the collector took over. What waits is replayed each minute."),
    ),
}


def figure(measure: str, value: float | None) -> str:
    """A value as people read it, with its unit; the same in every language."""
    if value is None:
        return numbers.UNKNOWN
    unit = KINDS[measure].unit
    if unit == MILLISECONDS:
        return numbers.milliseconds(value)
    if unit == COUNT:
        return numbers.count(value)
    return f"{value:,.0f} {unit}" if abs(value) >= 99.5 else f"{value:.3g} {unit}"
