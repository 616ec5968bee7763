"""Who counts and who is read: the modes, the legacy collector, the read path."""

from __future__ import annotations

from functools import cached_property

from gateway.conf.base import Settings
from gateway.read_settings import ReadSettings, read_settings


class CutoverSettings(Settings):
    """One property a setting; the README's table says what it means."""

    @cached_property
    def mode(self) -> str:
        """`STATS_MODE`: the mode in force until somebody chooses another (`gateway.modes`)."""
        return str(self._get("STATS_MODE", "queue"))

    @cached_property
    def sample_rate(self) -> float:
        """`STATS_SAMPLE_RATE`: share of the events that mode `sample` collects, likewise."""
        return float(self._get("STATS_SAMPLE_RATE", 0.01))

    @cached_property
    def replay_legacy(self) -> bool:
        """`STATS_REPLAY_LEGACY`: whether what mode `legacy` collected is put into the queue afterwards."""
        return bool(self._get("STATS_REPLAY_LEGACY", True))

    @cached_property
    def read_from(self) -> ReadSettings:
        """`READ_FROM`, `READ_FROM_QUEUE`, `READ_FROM_LEGACY`, `READ_COMPARED`: which path answers readers.

        In force until somebody chooses (`stats.read_from`). Raises ValueError.
        """
        return read_settings(
            self._get("READ_FROM", "queue"),
            self._get("READ_FROM_QUEUE", ()),
            self._get("READ_FROM_LEGACY", ()),
            self._get("READ_COMPARED", 0),
        )

    @cached_property
    def legacy_database(self) -> str:
        """`LEGACY_DATABASE`: alias of the collector's own database."""
        return str(self._get("LEGACY_DATABASE", "legacy"))

    @cached_property
    def collector(self) -> str:
        """`TRAFFIC_COLLECTOR`: dotted path of the fallback's `collect(events, reasons, replay=…)`."""
        return str(self._get("TRAFFIC_COLLECTOR", "legacy_collector.collector.collect"))

    @cached_property
    def collector_events(self) -> int:
        """`LEGACY_MAX_EVENTS`: events the collector keeps at most."""
        return int(self._get("LEGACY_MAX_EVENTS", 1_000_000))

    @cached_property
    def collector_days(self) -> float:
        """`LEGACY_RETENTION_DAYS`: days the collector keeps an event that nobody waits for."""
        return float(self._get("LEGACY_RETENTION_DAYS", 30))
