"""Letters by reason and route: how many of each state, and when the first and the last of them failed.

Bounded however many letters there are. The index (state, reason, route, id) is descended once for each group
instead of being read through; each count reads at most `CAP` of its entries; first and last are its ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connections

from gateway.conf import conf
from stats.models import DeadLetter

CAP = 1_000  # entries that one count reads
GROUPS = 50  # that are shown at once

_COUNT = """
LATERAL (
    SELECT count(*) FROM (
        SELECT FROM stats_deadletter
        WHERE state = '{state}' AND reason = found.reason AND route = found.route LIMIT %(cap)s
    ) AS entries
) AS {state} (letters)
"""

_GROUPS = f"""
WITH RECURSIVE found (reason, route) AS (
    (SELECT reason, route FROM stats_deadletter
     WHERE state = %(state)s AND (reason, route) > (%(reason)s, %(route)s)
     ORDER BY reason, route LIMIT 1)
    UNION ALL
    SELECT following.* FROM found, LATERAL (
        SELECT letter.reason, letter.route FROM stats_deadletter AS letter
        WHERE letter.state = %(state)s AND (letter.reason, letter.route) > (found.reason, found.route)
        ORDER BY letter.reason, letter.route LIMIT 1
    ) AS following
)
SELECT found.reason, found.route, dead.letters, redriven.letters, discarded.letters,
    oldest.first_failed_at, newest.last_failed_at
FROM (SELECT * FROM found LIMIT %(limit)s) AS found,
    {_COUNT.format(state="dead")}, {_COUNT.format(state="redriven")}, {_COUNT.format(state="discarded")},
    LATERAL (
        SELECT first_failed_at FROM stats_deadletter
        WHERE state = %(state)s AND reason = found.reason AND route = found.route ORDER BY id LIMIT 1
    ) AS oldest,
    LATERAL (
        SELECT last_failed_at FROM stats_deadletter
        WHERE state = %(state)s AND reason = found.reason AND route = found.route ORDER BY id DESC LIMIT 1
    ) AS newest
"""  # noqa: S608  (all of it stands here)


@dataclass(frozen=True, slots=True)
class Group:
    """Letters of one reason and route; counts are `CAP` at most, the times those of the state asked for."""

    reason: str
    route: str  # empty: it can't be read
    dead: int
    redriven: int
    discarded: int
    first_failed_at: datetime
    last_failed_at: datetime


def groups(state: DeadLetter.State, after: tuple[str, str] = ("", ""), limit: int = GROUPS) -> list[Group]:
    """The groups that have letters of this state, by reason and route, behind the group `after`.

    Raises django.db.Error.
    """
    reason, route = after
    parameters: dict[str, Any] = {"state": state.value, "reason": reason, "route": route}
    with connections[conf.database].cursor() as cursor:
        cursor.execute(_GROUPS, {**parameters, "cap": CAP, "limit": limit})
        return [Group(*row) for row in cursor.fetchall()]
