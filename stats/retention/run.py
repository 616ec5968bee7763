"""One run of the retention: archive what is due, drop what is due, delete what is due."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import Any

from stats.archive import ArchiveError, Busy, Mismatch
from stats.archive.alone import alone
from stats.archive.verifying import Progress
from stats.models import TrafficDay
from stats.retention import days, dropping, files, hours, rows
from stats.retention.archiving import archive_due, distrust
from stats.retention.waiting import FarBehind, waiting_days

DAYS = ("archived", "dropped", "hourly_days")
OnDay = Callable[[TrafficDay], Progress]


@dataclass(slots=True)
class Summary:
    """What one run did, or would do. `problems` says what was due and was not done."""

    archived: list[date] = field(default_factory=list)
    dropped: list[date] = field(default_factory=list)
    empty_partitions: int = 0
    leftover_tables: int = 0
    hourly_rows: int = 0
    hourly_days: list[date] = field(default_factory=list)
    dead_letters: int = 0
    tasks: int = 0
    archive_files: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        days = {name: [day.isoformat() for day in getattr(self, name)] for name in DAYS}
        return asdict(self) | days


def apply(now: datetime | None = None, on_day: OnDay = lambda day: lambda events: None) -> Summary:
    """Does all that is due, by the database's clock unless `now` is given. Raises Busy, django.db.Error."""
    started = time.monotonic()
    done = Summary()
    with alone():
        now = now or days.database_now()
        done.leftover_tables = len(dropping.drop_leftovers())
        _archive(done, now, on_day)
        _drop(done, now, on_day)
        _drop_empty(done, now)
        _drop_hours(done, now)
        done.dead_letters = rows.delete_letters(now)
        done.tasks = rows.delete(rows.tasks(now))
        rows.delete(rows.repairs(now))
        rows.delete(rows.timings(now))
        rows.delete(rows.login_failures(now))
        rows.delete(rows.sessions(now))
        rows.delete(rows.comparisons(now))
        rows.delete(rows.worker_starts(now))
        rows.delete(rows.alert_messages(now))
        rows.delete(rows.alerts(now))
        try:
            done.archive_files = files.remove_expired(now)
        except ArchiveError as error:
            done.problems.append(str(error))
    done.seconds = round(time.monotonic() - started, 3)
    return done


def plan(now: datetime | None = None) -> Summary:
    """What `apply` would do now. Changes nothing. Raises django.db.Error."""
    now = now or days.database_now()
    letters = (rows.settled_letters(now), rows.unsettled_letters(now))
    return Summary(
        archived=[day.day for day in days.to_archive(now)],
        dropped=[day.day for day in days.to_drop(now)],
        empty_partitions=len(days.without_events(now)),
        hourly_days=[day.day for day in days.to_lose_hours(now)],
        dead_letters=sum(rows.count(some) for some in letters),
        tasks=rows.count(rows.tasks(now)),
        archive_files=len(files.expired(now)),
    )


def _archive(done: Summary, now: datetime, on_day: OnDay) -> None:
    result = archive_due(days.to_archive(now), on_day)
    done.archived = [archived.day for archived in result.archived if archived.written]
    done.problems += result.failed.values()


def _drop(done: Summary, now: datetime, on_day: OnDay) -> None:
    due = days.to_drop(now)
    try:
        waiting = waiting_days() if due else set()
    except FarBehind as error:
        done.problems.append(f"nothing dropped, though due (days: {len(due)}): {error}")
        return
    for day in due:
        if day.day in waiting:
            done.problems.append(f"{day}: not dropped, since events of it wait to be counted")
            continue
        try:
            dropping.drop_day(day, on_day(day))
        except Busy as error:  # whoever holds the table holds it for the other days, too
            done.problems.append(str(error))
            return
        except Mismatch as error:
            distrust(day.day)
            done.problems.append(f"{error}; the day is not dropped, the next run archives it again")
        except ArchiveError as error:
            done.problems.append(str(error))
        else:
            done.dropped.append(day.day)


def _drop_empty(done: Summary, now: datetime) -> None:
    for day in days.without_events(now):
        try:
            if dropping.drop_empty(day):
                done.empty_partitions += 1
            else:
                done.problems.append(f"{day}: has events, but the day is sealed or unknown")
        except Busy as error:
            done.problems.append(str(error))
            return


def _drop_hours(done: Summary, now: datetime) -> None:
    for day in days.to_lose_hours(now):
        if day.is_rolled_up:
            done.hourly_rows += hours.drop_hours(day)
            done.hourly_days.append(day.day)
        else:
            done.problems.append(f"{day}: hours not dropped, since the day is not rolled up yet")
