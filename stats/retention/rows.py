"""Rows that are deleted by their age: dead letters, repairs, timings, alerts, django-q2's tasks and others.

A dead letter that a person has settled goes after a while. One that nobody has looked at is the only copy
of a request that was not counted: it stays for a year, and it is an error in the log when it goes.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.apps import apps
from django.db import connections, router, transaction
from django_q.models import Task

from gateway.conf import conf
from gateway.models import LoginFailures, Timing
from stats.models import Alert, AlertDelivery, ReadComparison, Repair, WorkerStart

logger = logging.getLogger(__name__)

TIMING_DAYS = 30
LOGIN_DAYS = 1  # longer than the longest wait
COMPARISON_DAYS = 30
START_DAYS = 90
ALERT_DAYS = 365
SLICE = 1_000  # rows a transaction deletes
Rows = tuple[str, str, datetime]  # table, condition, and the time in it

_LETTERS = "stats_deadletter"


def settled_letters(now: datetime) -> Rows:
    cutoff = now - timedelta(days=conf.settled_letter_days)
    return _LETTERS, "state <> 'dead' AND settled_at < %s", cutoff


def unsettled_letters(now: datetime) -> Rows | None:
    """None if they are kept for ever."""
    days = conf.unsettled_letter_days
    return (_LETTERS, "state = 'dead' AND last_failed_at < %s", now - timedelta(days=days)) if days else None


def repairs(now: datetime) -> Rows:
    """As long as the letters that they settled."""
    cutoff = now - timedelta(days=conf.settled_letter_days)
    return Repair._meta.db_table, "state NOT IN ('waiting', 'running') AND asked_at < %s", cutoff


def tasks(now: datetime) -> Rows:
    return Task._meta.db_table, "stopped < %s", now - timedelta(days=conf.task_days)


def timings(now: datetime) -> Rows:
    return Timing._meta.db_table, "hour < %s", now - timedelta(days=TIMING_DAYS)


def login_failures(now: datetime) -> Rows:
    return LoginFailures._meta.db_table, "last_failed_at < %s", now - timedelta(days=LOGIN_DAYS)


def sessions(now: datetime) -> Rows | None:
    """Those that are over; None where they are kept elsewhere."""
    if not apps.is_installed("django.contrib.sessions"):
        return None
    session = apps.get_model("sessions", "Session")
    is_here = router.db_for_write(session) == conf.database
    return (session._meta.db_table, "expire_date < %s", now) if is_here else None


def comparisons(now: datetime) -> Rows:
    return ReadComparison._meta.db_table, "made_at < %s", now - timedelta(days=COMPARISON_DAYS)


def worker_starts(now: datetime) -> Rows:
    return WorkerStart._meta.db_table, "started_at < %s", now - timedelta(days=START_DAYS)


def alert_messages(now: datetime) -> Rows:
    condition = "state <> 'waiting' AND created_at < %s"
    return AlertDelivery._meta.db_table, condition, now - timedelta(days=ALERT_DAYS)


def alerts(now: datetime) -> Rows:
    """After their messages."""
    condition = (
        "ended_at < %s AND NOT EXISTS (SELECT FROM stats_alertdelivery WHERE alert_id = stats_alert.id)"
    )
    return Alert._meta.db_table, condition, now - timedelta(days=ALERT_DAYS)


def count(rows: Rows | None) -> int:
    """Raises django.db.Error."""
    if rows is None:
        return 0
    table, condition, cutoff = rows
    with connections[conf.database].cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table} WHERE {condition}", [cutoff])  # noqa: S608 - from above
        return int(cursor.fetchone()[0])


def delete(rows: Rows | None) -> int:
    """Deletes them in short transactions, past whatever is locked; how many. Raises django.db.Error."""
    total = 0
    while rows is not None and (deleted := _delete_slice(*rows)):
        total += deleted
    return total


def delete_letters(now: datetime) -> int:
    """Raises django.db.Error."""
    unsettled = delete(unsettled_letters(now))
    if unsettled:
        logger.error("Dead letters that nobody settled were deleted: %d", unsettled)
    return unsettled + delete(settled_letters(now))


def _delete_slice(table: str, condition: str, cutoff: datetime) -> int:
    with transaction.atomic(using=conf.database), connections[conf.database].cursor() as cursor:
        cursor.execute(
            f"DELETE FROM {table} WHERE ctid = ANY (ARRAY("  # noqa: S608 - written above
            f"SELECT ctid FROM {table} WHERE {condition} LIMIT %s FOR UPDATE SKIP LOCKED))",
            [cutoff, SLICE],
        )
        return int(cursor.rowcount)
