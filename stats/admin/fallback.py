"""What the page of the fallback shows: what waits to be replayed, why, and what came of the last replays."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gateway import modes
from gateway.admin import text
from gateway.conf import conf
from legacy_collector import held
from legacy_collector.database import CollectorRefused
from stats import jobs
from stats.admin import job_list
from stats.dashboard import numbers
from stats.models import JobRun

RUNS = 10
WHY = {
    "fallback": _("the queue refused them"),
    "legacy": _("collected in mode legacy"),
    "dual": _("also collected in mode dual"),
    "sample": _("also sampled"),
}


def context() -> dict[str, Any]:
    """For `stats/jobs/fallback.html`. Raises django.db.Error."""
    runs = JobRun.objects.using(conf.database).filter(job=jobs.REPLAY.name)[:RUNS]
    found: dict[str, Any] = {
        "runs": [_run(run) for run in runs],
        "titles": [
            gettext("Started (UTC)"),
            gettext("Asked for by"),
            gettext("Outcome"),
            gettext("What it said"),
        ],
        "is_legacy": modes.in_force().mode == "legacy",
    }
    try:
        return {**found, **_waiting(held.waiting())}
    except CollectorRefused as refusal:
        return {**found, "problem": text.whole(str(refusal))}


def _waiting(found: held.Waiting) -> dict[str, Any]:
    more = "+" if found.is_capped else ""
    age = (timezone.now() - found.since).total_seconds() if found.since else 0.0
    return {
        "waiting": f"{found.events:,}{more}",
        "is_waiting": found.events > 0,
        "age": numbers.seconds(max(0.0, age)) if found.since else "-",
        "since": text.utc(found.since)[:19] if found.since else "",
        "reasons": [(WHY[name], f"{count:,}{more}") for name, count in sorted(found.reasons.items())],
    }


def _run(run: JobRun) -> list[object]:
    said = text.one_line(run.output.strip().rpartition("\n")[2])
    return [text.utc(run.started_at)[:19], job_list.who(run), job_list.outcome(run), said]
