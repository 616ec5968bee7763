"""Imported hours give way to the queue path's for good.

An imported hour counts only while `stats_totalshourly` has no row for it. Those rows are dropped one day,
when the daily ones hold what they say: whoever deletes them marks the imported ones first, in the same
transaction. Otherwise they would come back to life, and their requests would count twice.
"""

from __future__ import annotations

from datetime import datetime

from django.db.backends.utils import CursorWrapper

_HOLD = "LOCK TABLE stats_importedhourly IN SHARE ROW EXCLUSIVE MODE"
_SUPERSEDE = """
UPDATE stats_importedhourly AS imported SET superseded_at = now()
WHERE hour >= %s AND hour < %s AND superseded_at IS NULL
AND EXISTS (SELECT FROM stats_totalshourly AS counted WHERE counted.hour = imported.hour)
"""


def hold_imports(cursor: CursorWrapper) -> None:
    """Until the transaction ends nothing is imported; waits for a batch that is being written.

    Whoever drops the hours of a day for the first time needs it: rows that are imported but not committed
    would escape the mark. From then on an import passes the day over. Raises django.db.Error.
    """
    cursor.execute(_HOLD)


def supersede(cursor: CursorWrapper, since: datetime, until: datetime) -> None:
    """Marks what was imported for those of the hours that the queue path has. Raises django.db.Error."""
    cursor.execute(_SUPERSEDE, [since, until])
