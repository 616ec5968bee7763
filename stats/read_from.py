"""Which path answers whom: the queue path, the legacy collector, and for how many each.

The latest `ReadChange` is in force; while nobody has made one, `READ_FROM` is. Every process goes by it
within 10 s (`gateway.asked`).
"""

from __future__ import annotations

import logging

from django.db import connections

from gateway.asked import Asked
from gateway.conf import conf
from gateway.logs import printable
from gateway.read_settings import NOBODY, ReadSettings, Source, read_settings
from stats.models import ReadChange

__all__ = ["NOBODY", "ReadSettings", "Source", "change", "in_force", "of_token", "of_user"]

logger = logging.getLogger(__name__)

_LAST = """
SELECT percent, queue_readers, legacy_readers, compared_percent FROM stats_readchange ORDER BY id DESC LIMIT 1
"""


def of_user(name: str) -> str:
    """The reader that a user is."""
    return f"user:{name}"


def of_token(name: str) -> str:
    """The reader that the bearer of a token is."""
    return f"token:{name}"


def in_force() -> ReadSettings:
    """What is in force; asks the database if it did not lately.

    While that is away it is what is known. Raises ValueError for settings that say nothing.
    """
    return _chosen.now() or conf.read_from


def chosen() -> ReadSettings | None:
    """What somebody chose last, by a look into the database. Raises django.db.Error."""
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_LAST)
        row = cursor.fetchone()
    return read_settings(*row) if row else None


_chosen: Asked[ReadSettings | None] = Asked(chosen, None)
forget = _chosen.forget


def change(wanted: ReadSettings, *, by: str, note: str = "") -> ReadChange:
    """Puts it into force; within 10 s every process goes by it. Raises django.db.Error."""
    made = ReadChange.objects.using(conf.database).create(
        percent=wanted.percent,
        queue_readers="\n".join(sorted(wanted.queue_readers)),
        legacy_readers="\n".join(sorted(wanted.legacy_readers)),
        compared_percent=wanted.compared_percent,
        changed_by=by,
        note=note,
    )
    _chosen.expire()
    logger.warning("Read path: %g %% from the queue path from now on, by %s", wanted.percent, printable(by))
    return made
