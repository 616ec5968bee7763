"""What is shown of jobs, their runs and their schedules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, Q
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django_q.models import Schedule, Task

from gateway.admin import text
from gateway.conf import conf
from stats import jobs
from stats.dashboard import numbers
from stats.models import JobRun


@dataclass(frozen=True)
class Clock:
    """A schedule, as it is shown."""

    pk: int
    name: str
    every: str
    next_run: str
    last_run: str  # of its task; empty where none is kept
    has_failed: bool  # that one
    is_on: bool


@dataclass(frozen=True)
class Shown:
    """A job, as it is shown."""

    job: jobs.Job
    clock: Clock | None
    run: JobRun | None
    may_run: bool
    outcome: SafeString | str = ""
    started: str = ""
    who: str = ""

    @property
    def takes_hours(self) -> bool:
        return self.job is jobs.VERIFICATION

    @property
    def is_replay(self) -> bool:
        return self.job is jobs.REPLAY


def jobs_shown(request: HttpRequest) -> list[Shown]:
    """All jobs. Raises django.db.Error."""
    clocks = _clocks(Schedule.objects.using(conf.database).filter(func__in=_functions()))
    runs = last_runs()
    return [_shown(job, clocks.get(job.schedule), runs.get(job.name), request) for job in jobs.JOBS.values()]


def other_schedules() -> list[Clock]:
    """What runs by the clock and is no job. Raises django.db.Error."""
    rows = Schedule.objects.using(conf.database).exclude(func__in=_functions()).order_by("name", "pk")
    return list(_clocks(rows[:100]).values())


def last_runs() -> dict[str, JobRun]:
    """By the name of the job."""
    rows = JobRun.objects.using(conf.database)
    newest = rows.order_by().values("job").annotate(newest=Max("id")).values_list("newest", flat=True)
    return {run.job: run for run in rows.filter(pk__in=list(newest))}


def _functions() -> list[str]:
    return [job.schedule for job in jobs.JOBS.values() if job.schedule]


def _shown(job: jobs.Job, clock: Clock | None, run: JobRun | None, request: HttpRequest) -> Shown:
    may_run = request.user.has_perm(job.permission)
    if run is None:
        return Shown(job, clock, None, may_run)
    return Shown(job, clock, run, may_run, outcome(run), text.utc(run.started_at)[:19], who(run))


def _clocks(rows: Any) -> dict[str, Clock]:
    """By what they call; for what is no job, where two may call the same, by their number, too."""
    schedules = list(rows)
    kept = Task.objects.using(conf.database).filter(Q(pk__in=[row.task for row in schedules if row.task]))
    tasks = {task.pk: task for task in kept.only("id", "stopped", "success")}
    clocks: dict[str, Clock] = {}
    for row in schedules:
        key = row.func if row.func not in clocks else f"{row.func} {row.pk}"
        clocks[key] = _clock(row, tasks.get(row.task))
    return clocks


def _clock(row: Schedule, task: Task | None) -> Clock:
    return Clock(
        pk=row.pk,
        name=text.whole(row.name or row.func),
        every=_every(row),
        next_run=_moment(row.next_run) if row.repeats else "-",
        last_run=_moment(task.stopped) if task else "",
        has_failed=task is not None and not task.success,
        is_on=bool(row.repeats),
    )


def _every(row: Schedule) -> str:
    if row.schedule_type == Schedule.CRON:
        return text.whole(row.cron or "")
    if row.schedule_type == Schedule.MINUTES:
        return gettext("every %(minutes)s min") % {"minutes": row.minutes}
    return str(row.get_schedule_type_display())


def _moment(moment: datetime | None) -> str:
    return text.utc(moment)[:19]


# --- a run ---------------------------------------------------------------------------------------------


def title_of(run: JobRun) -> str:
    job = jobs.JOBS.get(run.job)
    return str(job.title) if job else text.whole(run.job)


def outcome(run: JobRun) -> SafeString:
    if run.ended_at is None:
        return text.label(gettext("running"), "info")
    if run.exit_code is None:
        return text.label(gettext("broke off"), "danger")
    if run.exit_code:
        title = gettext("exit code %(code)s") % {"code": run.exit_code}
        return text.label(gettext("not all is well"), "danger", title=title)
    return text.label(gettext("all is well"), "success")


def took(run: JobRun) -> str:
    end = run.ended_at or timezone.now()
    return numbers.seconds(max(0.0, (end - run.started_at).total_seconds()))


def who(run: JobRun) -> str:
    return text.whole(run.asked_by) if run.asked_by else gettext("the clock")
