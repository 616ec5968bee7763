"""A bounded look through the events, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.backends.utils import CursorWrapper

from stats.reports import from_events
from stats.reports.period import Range

SCANNED = 100_000  # events that are looked through for one page, at most

COLUMNS = (
    'idempotent_id, "timestamp", path, route, method, status, response_time, client_ip_hash, request_id,'
    " host, user_agent, response_bytes, country"
)


@dataclass(frozen=True)
class Scan:
    """Events that are looked through: newest first, by an index, and never more than SCANNED."""

    period: Range
    before: str
    route: str | None

    def matching(
        self, cursor: CursorWrapper, conditions: str, parameters: Sequence[Any], limit: int
    ) -> list[tuple[Any, ...]]:
        """Rows of COLUMNS. Stops as soon as there are enough."""
        where, values = self._where
        cursor.execute(
            f"SELECT * FROM (SELECT {COLUMNS} FROM stats_event WHERE {where}"  # noqa: S608
            " ORDER BY idempotent_id DESC LIMIT %s) AS looked_at"
            f" WHERE {conditions} LIMIT %s",
            [*values, SCANNED, *parameters, limit],
        )
        return cursor.fetchall()

    def last_looked_at(self, cursor: CursorWrapper) -> str | None:
        """Where the look ended before the range did; None if it did not."""
        where, values = self._where
        cursor.execute(
            f"SELECT idempotent_id FROM stats_event WHERE {where}"  # noqa: S608
            " ORDER BY idempotent_id DESC OFFSET %s LIMIT 1",
            [*values, SCANNED - 1],
        )
        row = cursor.fetchone()
        return None if row is None else str(row[0])

    @property
    def _where(self) -> tuple[str, list[Any]]:
        where, parameters = from_events.where(self.period, self.route)
        return f"{where} AND idempotent_id < %s", [*parameters, self.before]
