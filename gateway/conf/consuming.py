"""What the queue, the consumer and who watches it go by."""

from __future__ import annotations

from functools import cached_property

from gateway.conf.base import Settings
from gateway.queue_settings import QUEUE_DEFAULTS, QueueSettings


class ConsumingSettings(Settings):
    """One property a setting; the README's table says what it means."""

    @cached_property
    def queue(self) -> QueueSettings:
        """`TRAFFIC_QUEUE`, with defaults for what it leaves out."""
        return QueueSettings(**{**QUEUE_DEFAULTS, **self._get("TRAFFIC_QUEUE", {})})

    @cached_property
    def linger(self) -> float:
        """`TRAFFIC_LINGER`: seconds an event waits for company, within the queue's bound."""
        wanted = float(self._get("TRAFFIC_LINGER", 0.4))
        return max(0.0, min(wanted, float(self.queue.max_batch_timeout)))

    @cached_property
    def database(self) -> str:
        """`TRAFFIC_DATABASE`: alias of the PostgreSQL that holds queue, events and statistics."""
        return str(self._get("TRAFFIC_DATABASE", "default"))

    @cached_property
    def consumer(self) -> str:
        """`TRAFFIC_CONSUMER`: dotted path of the task that a doorbell names."""
        return str(self._get("TRAFFIC_CONSUMER", "stats.tasks.consume"))

    @cached_property
    def lease(self) -> float:
        """`TRAFFIC_LEASE`: seconds after which a claimed batch whose consumer vanished is due again."""
        return float(self._get("TRAFFIC_LEASE", 5.0))

    @cached_property
    def retry_delay(self) -> float:
        """`TRAFFIC_RETRY_DELAY`: seconds before the first retry of a batch; doubled for each further one."""
        return float(self._get("TRAFFIC_RETRY_DELAY", 1.0))

    @cached_property
    def drain_seconds(self) -> float:
        """`TRAFFIC_DRAIN_SECONDS`: how long one task goes on draining before it rings again and ends."""
        return float(self._get("TRAFFIC_DRAIN_SECONDS", 20.0))

    @cached_property
    def transaction_events(self) -> int:
        """`TRAFFIC_TRANSACTION_EVENTS`: events one transaction of the consumer stores at most."""
        return int(self._get("TRAFFIC_TRANSACTION_EVENTS", 10_000))

    @cached_property
    def routes_per_hour(self) -> int:
        """`STATS_ROUTES_PER_HOUR`: distinct routes an hour keeps; the rest is counted as `(other)`."""
        return int(self._get("STATS_ROUTES_PER_HOUR", 1_000))

    @cached_property
    def routes_per_day(self) -> int:
        """`STATS_ROUTES_PER_DAY`: routes that daily statistics keep, the busiest; the rest is `(other)`."""
        return int(self._get("STATS_ROUTES_PER_DAY", 5_000))

    @cached_property
    def estimator(self) -> str:
        """`STATS_ESTIMATOR`: `sketch` or `reservoir`, which new summaries are made by."""
        return str(self._get("STATS_ESTIMATOR", "sketch"))

    @cached_property
    def readiness_checks(self) -> tuple[str, ...]:
        """`READINESS_CHECKS`: dotted paths of what `/readyz` asks."""
        default = (
            "gateway.readiness.database",
            "gateway.readiness.migrations",
            "stats.heartbeat.readiness",
            "legacy_collector.collector.readiness",
        )
        return tuple(self._get("READINESS_CHECKS", default))

    @cached_property
    def worker_watch(self) -> str:
        """`TRAFFIC_WORKER_WATCH`: dotted path of what decides that the task queue must be restarted."""
        return str(self._get("TRAFFIC_WORKER_WATCH", "stats.worker_watch.Watch"))

    @cached_property
    def stale_seconds(self) -> float:
        """`TRAFFIC_STALE_SECONDS`: silence of the consumer, while work is due, that has it restarted."""
        return float(self._get("TRAFFIC_STALE_SECONDS", 20.0))

    @cached_property
    def worker_nice(self) -> int:
        """`TRAFFIC_WORKER_NICE`: the worker's niceness, so that requests come first; 0: as theirs."""
        return int(self._get("TRAFFIC_WORKER_NICE", 5))
