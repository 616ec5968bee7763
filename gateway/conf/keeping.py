"""Where things are kept, and for how long."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from gateway.conf.base import Settings


class KeepingSettings(Settings):
    """One property a setting; the README's table says what it means."""

    @cached_property
    def var_dir(self) -> Path:
        """`VAR_DIR`: folder of everything this instance keeps on disk."""
        return Path(self._get("VAR_DIR", "var"))

    @cached_property
    def archive_events(self) -> bool:
        """`ARCHIVE_EVENTS`: whether a day's events are archived before they are dropped."""
        return bool(self._get("ARCHIVE_EVENTS", True))

    @cached_property
    def archive_part_events(self) -> int:
        """`ARCHIVE_PART_EVENTS`: events one file of the archive holds at most."""
        return int(self._get("ARCHIVE_PART_EVENTS", 250_000))

    @cached_property
    def archive_days(self) -> float:
        """`ARCHIVE_RETENTION_DAYS`: days the archive of a dropped day is kept; 0: for ever."""
        return float(self._get("ARCHIVE_RETENTION_DAYS", 0))

    @cached_property
    def event_days(self) -> float:
        """`EVENT_RETENTION_DAYS`: days the events of a day are kept after it and after its last arrival."""
        return float(self._get("EVENT_RETENTION_DAYS", 3))

    @cached_property
    def hourly_days(self) -> float:
        """`HOURLY_RETENTION_DAYS`: days hourly statistics are kept; daily ones stay for ever."""
        return float(self._get("HOURLY_RETENTION_DAYS", 90))

    @cached_property
    def settled_letter_days(self) -> float:
        """`DEAD_LETTER_RETENTION_DAYS`: days a dead letter is kept after it was redriven or discarded."""
        return float(self._get("DEAD_LETTER_RETENTION_DAYS", 30))

    @cached_property
    def unsettled_letter_days(self) -> float:
        """`DEAD_LETTER_UNSETTLED_DAYS`: days a dead letter waits for a person; 0: for ever."""
        return float(self._get("DEAD_LETTER_UNSETTLED_DAYS", 365))

    @cached_property
    def task_days(self) -> float:
        """`TASK_RETENTION_DAYS`: days django-q2's records of finished tasks are kept."""
        return float(self._get("TASK_RETENTION_DAYS", 7))
