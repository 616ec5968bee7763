"""Hourly statistics of days whose daily ones hold it all.

A day's hours go in one transaction with the mark that says so: whoever merges hours into days
(`stats.daily`) sees all of them or none, and what was imported for one of them does not come back to life
(`stats.imported_hours`). It keeps nobody waiting but an import: nothing else touches the hours of a sealed
day, and the day's own row is locked only at the end, when all that is left is to commit.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db import connections, transaction

from gateway.conf import conf
from stats import imported_hours
from stats.models import TrafficDay
from stats.retention.days import end_of

logger = logging.getLogger(__name__)

TABLES = ("stats_pathstatshourly", "stats_totalshourly", "stats_topvalueshourly")

# Asked when the rows are gone: the day may have been restored, and something may have arrived, meanwhile.
_MARK = """
UPDATE stats_trafficday SET hours_dropped_at = coalesce(hours_dropped_at, now())
WHERE day = %s AND sealed_at IS NOT NULL AND rolled_version = version
"""


def drop_hours(day: TrafficDay) -> int:
    """Deletes a day's hourly rows; how many. None if the day is open or not rolled up.

    Raises django.db.Error.
    """
    total, end = 0, end_of(day.day)
    with transaction.atomic(using=conf.database), connections[conf.database].cursor() as cursor:
        imported_hours.hold_imports(cursor)
        imported_hours.supersede(cursor, end - timedelta(days=1), end)
        for table in TABLES:
            cursor.execute(
                f"DELETE FROM {table} WHERE hour >= %s AND hour < %s",  # noqa: S608 - one of TABLES
                [end - timedelta(days=1), end],
            )
            total += cursor.rowcount
        cursor.execute(_MARK, [day.day])
        if not cursor.rowcount:
            transaction.set_rollback(True, using=conf.database)
            return 0
    logger.info("Hours dropped: %s | Rows: %d", day, total)
    return total
