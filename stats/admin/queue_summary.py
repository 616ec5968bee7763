"""What stands above the list of batches: how much waits, since when and what for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import Error
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext

from gateway import queue
from gateway.admin import text
from gateway.conf import conf
from gateway.queue import Selection, Survey
from stats import heartbeat, queue_repairs
from stats.admin.actions import allowed
from stats.admin.queue_forms import PauseForm
from stats.dashboard import numbers
from stats.models import ConsumerHeartbeat, Repair

PURGES = 5


@dataclass(frozen=True)
class Figure:
    """One of them. `state` colours it: empty, warning, bad."""

    name: str
    value: str
    more: str = ""
    state: str = ""


def context(request: HttpRequest) -> dict[str, Any]:
    """For `stats/queue/summary.html`. Never raises django.db.Error."""
    try:
        found = queue.survey(Selection())
        beat = ConsumerHeartbeat.objects.using(conf.database).filter(name=conf.queue.name).first()
        age = heartbeat.age()
    except Error:
        return {"may": allowed(request), "figures": []}
    return {
        "may": allowed(request),
        "figures": [*_waiting(found), *_deliveries(found), _consumer(beat, age)],
        "is_paused": beat is not None and beat.paused_at is not None,
        "pause_form": PauseForm(auto_id="pause_%s"),
        "purges": [_purge(repair) for repair in _purges()],
    }


def _purges() -> QuerySet[Repair]:
    """The last ones: what they discarded can be recovered as long as its letters are kept."""
    done = Repair.objects.using(conf.database).filter(kind=queue_repairs.PURGE, done__gt=0)
    return done.order_by("-id")[:PURGES]


def _purge(repair: Repair) -> dict[str, Any]:
    return {
        "pk": repair.pk,
        "at": text.utc(repair.asked_at)[:19],
        "by": text.whole(repair.by),
        "note": text.one_line(repair.note),
        "events": f"{repair.done:,}",
    }


def _waiting(found: Survey) -> list[Figure]:
    more = "+" if found.is_capped else ""
    oldest = numbers.seconds(found.oldest_seconds) if found.batches else "-"
    return [
        Figure(gettext("Batches"), f"{found.batches:,}{more}", _states(found)),
        Figure(gettext("Events"), f"{found.events:,}{more}"),
        Figure(gettext("Oldest"), oldest, gettext("in the queue") if found.batches else ""),
    ]


def _states(found: Survey) -> str:
    counts = {"due": f"{found.due:,}", "under_way": f"{found.under_way:,}"}
    return gettext("%(due)s due, %(under_way)s being counted") % counts if found.batches else ""


def _deliveries(found: Survey) -> list[Figure]:
    failed = gettext("%(count)s failed before") % {"count": f"{found.failed:,}"} if found.failed else ""
    next_at = text.utc(found.next_at)[11:19] if found.next_at else "-"
    on = text.utc(found.next_at)[:10] if found.next_at else ""
    return [
        Figure(gettext("Most deliveries"), f"{found.most_deliveries:,}", failed, "warning" if failed else ""),
        Figure(gettext("Next attempt (UTC)"), next_at, on),
    ]


def _consumer(beat: ConsumerHeartbeat | None, age: float | None) -> Figure:
    name = gettext("Consumer")
    if beat is None or age is None:
        return Figure(name, gettext("has not run yet"), state="warning")
    seen = gettext("alive %(age)s ago") % {"age": numbers.seconds(age)}
    if beat.paused_at:
        return Figure(name, gettext("paused"), seen, "warning")
    if beat.breaker != ConsumerHeartbeat.Breaker.CLOSED:
        probe = gettext("next probe %(time)s (UTC)") % {"time": text.utc(beat.probe_at)[11:19]}
        return Figure(name, gettext("breaker open"), probe if beat.probe_at else seen, "bad")
    if age > heartbeat.STALE_SECONDS:
        return Figure(name, gettext("silent"), seen, "bad")
    return Figure(name, gettext("at work"), seen)
