"""Jobs: commands that run by the clock, or since a person says so, each run with its outcome.

A run is a process beside whoever starts it (`stats.background`), so it needs no worker: what is wrong may be
the worker. One of each job at a time on a host.
"""

from __future__ import annotations

import io
import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management import CommandError, call_command
from django.db import close_old_connections
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from gateway.conf import conf
from gateway.logs import printable
from stats import background
from stats.errors import one_line
from stats.models import JobRun

logger = logging.getLogger(__name__)

COMMAND = "run_job"
KEPT = 50  # runs of a job
OUTPUT = 20_000  # characters that are kept of what it said
STILL_RUNS = "Not started: the last one still runs on this host."
NO_WORD = "It ended without a word: it was killed, or its host was."


@dataclass(frozen=True, slots=True)
class Job:
    """A command that may be run at any time."""

    name: str
    title: Any  # translated when it is shown
    about: Any
    arguments: tuple[str, ...] = ()
    schedule: str = ""  # the function that the clock calls
    permission: str = "stats.run_job"


VERIFICATION = Job(
    "verify_counts",
    _("Verification"),
    _("Compares what queue path and collector counted: the day before, or the hours you choose."),
    arguments=("--store",),
    schedule="stats.tasks.verify_counts",
)
REPLAY = Job(
    "replay_fallback",
    _("Fallback replay"),
    _("Puts into the queue what the collector took while the queue refused."),
    schedule="legacy_collector.replay.replay_scheduled",
    permission="legacy_collector.replay_fallback",
)
_ALL = (
    VERIFICATION,
    Job("readiness", _("Readiness"), _("Looks at each condition of the next phase of the cutover.")),
    Job(
        "archive_events",
        _("Archive"),
        _("Writes the days that are over into the archive and reads them back. Drops nothing."),
    ),
    Job(
        "apply_retention",
        _("Retention"),
        _("Archives the days that are over, then drops what is past its retention."),
        schedule="stats.tasks.apply_retention",
    ),
    Job(
        "roll_up_days",
        _("Daily statistics"),
        _("Merges the hours of each day that is over and has changed."),
        schedule="stats.tasks.roll_up_days",
    ),
    Job(
        "refresh_snapshot",
        _("Snapshot"),
        _("Makes the summary of the last 24 hours anew."),
        schedule="stats.tasks.refresh_snapshot",
    ),
    REPLAY,
)
JOBS = {job.name: job for job in _ALL}


def begin(job: Job, by: str = "", arguments: Sequence[str] = ()) -> JobRun:
    """Starts it and returns at once. A run that could not be started says why. Raises django.db.Error."""
    everything = [*job.arguments, *arguments]
    run = JobRun.objects.using(conf.database).create(job=job.name, arguments=everything, asked_by=by)
    try:
        has_started = background.start(COMMAND, str(run.pk), alone_as=job.name)
        problem = "" if has_started else STILL_RUNS
    except OSError as error:
        problem = f"Not started: {one_line(error)}"
    if problem:
        _end(run, exit_code=1, output=problem)
    logger.info("Job: %s | By: %s | %s", job.name, printable(by) or "the clock", problem or "started")
    return run


def carry_out(run: JobRun) -> int:
    """Runs the command in this process and keeps what came of it; its exit code. Raises django.db.Error."""
    _end_silent_ones(run)
    mine = JobRun.objects.using(conf.database).filter(pk=run.pk)
    mine.update(host=socket.gethostname(), pid=os.getpid())
    output = io.StringIO()
    exit_code = _call(run, output)
    close_old_connections()
    _end(run, exit_code, output.getvalue())
    _forget_old_ones(run)
    return exit_code


def _call(run: JobRun, output: io.StringIO) -> int:
    try:
        call_command(run.job, *run.arguments, stdout=output, stderr=output, no_color=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except CommandError as error:
        output.write(str(error))
        return error.returncode
    except Exception as error:
        logger.exception("Job failed: %s", run.job)
        output.write(one_line(error))
        return 1
    return 0


def _end(run: JobRun, exit_code: int, output: str) -> None:
    text = output.strip()[-OUTPUT:].replace("\x00", "\\x00")
    rows = JobRun.objects.using(conf.database).filter(pk=run.pk)
    rows.update(ended_at=Now(), exit_code=exit_code, output=text)
    run.refresh_from_db()


def _end_silent_ones(run: JobRun) -> None:
    """Those before it on this host, which has one at a time: whatever they were at, they are no more."""
    earlier = JobRun.objects.using(conf.database).filter(job=run.job, ended_at=None, pk__lt=run.pk)
    here = earlier.filter(Q(host=socket.gethostname()) | Q(host=""))
    here.update(ended_at=Now(), output=NO_WORD)


def _forget_old_ones(run: JobRun) -> None:
    rows = JobRun.objects.using(conf.database).filter(job=run.job).order_by("-id")
    oldest = rows.values_list("id", flat=True)[KEPT - 1 : KEPT].first()
    if oldest is not None:
        rows.filter(pk__lt=oldest).delete()
