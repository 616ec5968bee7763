"""Tallygate's settings as one object of typed properties, read from Django's settings when first used.

Reading late lets a project of one's own set only what it wants to change; every default stands here and
nowhere else. What was read is kept until a setting changes (`override_settings`): a request reads a dozen,
and Django looks for one that is not set anew each time, which takes microseconds.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.functional import cached_property

from gateway.kept_keys import kept_key
from gateway.networks import Network, parse_networks
from gateway.queue_settings import QUEUE_DEFAULTS, QueueSettings, q_cluster

__all__ = ["DEFAULT_EXCLUDE", "ESTIMATORS", "JOURNAL_MODES", "MODES", "conf", "q_cluster"]

MODES = ("legacy", "dual", "sample", "queue")
JOURNAL_MODES = ("os", "fsync", "off")
ESTIMATORS = ("sketch", "reservoir")

DEFAULT_EXCLUDE = (
    "/admin/",
    "/static/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/stats/api/",
    "/favicon.ico",
)


class TrafficSettings:
    """What the README's configuration table lists, one property a setting."""

    def forget(self) -> None:
        """Has everything read anew."""
        self.__dict__.clear()

    @staticmethod
    def _get(name: str, default: Any) -> Any:
        return getattr(settings, name, default)

    @cached_property
    def enabled(self) -> bool:
        """`TRAFFIC_ENABLED`: whether requests are captured at all."""
        return bool(self._get("TRAFFIC_ENABLED", True))

    @cached_property
    def exclude(self) -> tuple[str, ...]:
        """`TRAFFIC_EXCLUDE`: path prefixes, or patterns after `re:`, that are not traffic."""
        return tuple(self._get("TRAFFIC_EXCLUDE", DEFAULT_EXCLUDE))

    @property  # asked for once a hand-over, and no setting alone decides it
    def log_events(self) -> bool:
        """`TRAFFIC_LOG_EVENTS`: a log line for each event, not only for each batch; on under runserver."""
        return bool(self._get("TRAFFIC_LOG_EVENTS", sys.argv[1:2] == ["runserver"]))

    @cached_property
    def mode(self) -> str:
        """`STATS_MODE`: the mode in force until somebody chooses another (`gateway.modes`)."""
        return str(self._get("STATS_MODE", "queue"))

    @cached_property
    def sample_rate(self) -> float:
        """`STATS_SAMPLE_RATE`: share of the events that mode `sample` collects, likewise."""
        return float(self._get("STATS_SAMPLE_RATE", 0.01))

    @cached_property
    def estimator(self) -> str:
        """`STATS_ESTIMATOR`: `sketch` or `reservoir`, which new summaries are made by."""
        return str(self._get("STATS_ESTIMATOR", "sketch"))

    @cached_property
    def linger(self) -> float:
        """`TRAFFIC_LINGER`: seconds an event waits for company, within the queue's bound."""
        wanted = float(self._get("TRAFFIC_LINGER", 0.4))
        return max(0.0, min(wanted, float(self.queue.max_batch_timeout)))

    @cached_property
    def buffer_events(self) -> int:
        """`TRAFFIC_BUFFER_EVENTS`: events a process holds at most while no store takes them."""
        return int(self._get("TRAFFIC_BUFFER_EVENTS", 20_000))

    @cached_property
    def journal(self) -> str:
        """`TRAFFIC_JOURNAL`: `os` (survives a killed process), `fsync` (also a crashed machine) or `off`."""
        return str(self._get("TRAFFIC_JOURNAL", "os"))

    @cached_property
    def journal_bytes(self) -> int:
        """`TRAFFIC_JOURNAL_BYTES`: bytes all processes' journals may hold together."""
        return int(self._get("TRAFFIC_JOURNAL_BYTES", 256_000_000))

    @cached_property
    def journal_days(self) -> float:
        """`TRAFFIC_JOURNAL_DAYS`: days after which a journal that nobody could deliver is dropped."""
        return float(self._get("TRAFFIC_JOURNAL_DAYS", 7))

    @cached_property
    def send_timeout(self) -> float:
        """`TRAFFIC_SEND_TIMEOUT`: seconds a hand-over to one store may take before it counts as refused."""
        return float(self._get("TRAFFIC_SEND_TIMEOUT", 2.0))

    @cached_property
    def exit_timeout(self) -> float:
        """`TRAFFIC_EXIT_TIMEOUT`: seconds a process may spend on sending what waits when it ends."""
        return float(self._get("TRAFFIC_EXIT_TIMEOUT", 10.0))

    @cached_property
    def queue(self) -> QueueSettings:
        """`TRAFFIC_QUEUE`, with defaults for what it leaves out."""
        return QueueSettings(**{**QUEUE_DEFAULTS, **self._get("TRAFFIC_QUEUE", {})})

    @cached_property
    def database(self) -> str:
        """`TRAFFIC_DATABASE`: alias of the PostgreSQL that holds queue, events and statistics."""
        return str(self._get("TRAFFIC_DATABASE", "default"))

    @cached_property
    def legacy_database(self) -> str:
        """`LEGACY_DATABASE`: alias of the collector's own database."""
        return str(self._get("LEGACY_DATABASE", "legacy"))

    @cached_property
    def consumer(self) -> str:
        """`TRAFFIC_CONSUMER`: dotted path of the task that a doorbell names."""
        return str(self._get("TRAFFIC_CONSUMER", "stats.tasks.consume"))

    @cached_property
    def collector(self) -> str:
        """`TRAFFIC_COLLECTOR`: dotted path of the fallback's `collect(events, reasons, replay=…)`."""
        return str(self._get("TRAFFIC_COLLECTOR", "legacy_collector.collector.collect"))

    @cached_property
    def replay_legacy(self) -> bool:
        """`STATS_REPLAY_LEGACY`: whether what mode `legacy` collected is put into the queue afterwards."""
        return bool(self._get("STATS_REPLAY_LEGACY", True))

    @cached_property
    def collector_events(self) -> int:
        """`LEGACY_MAX_EVENTS`: events the collector keeps at most."""
        return int(self._get("LEGACY_MAX_EVENTS", 1_000_000))

    @cached_property
    def collector_days(self) -> float:
        """`LEGACY_RETENTION_DAYS`: days the collector keeps an event that nobody waits for."""
        return float(self._get("LEGACY_RETENTION_DAYS", 30))

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
    def normalize_ids(self) -> bool:
        """`STATS_NORMALIZE_IDS`: whether id-like segments of an unmatched path become `{id}`."""
        return bool(self._get("STATS_NORMALIZE_IDS", True))

    @cached_property
    def group_not_found(self) -> bool:
        """`STATS_GROUP_NOT_FOUND`: whether unmatched requests answered with 404 share one route."""
        return bool(self._get("STATS_GROUP_NOT_FOUND", True))

    @cached_property
    def trusted_proxies(self) -> tuple[Network | str, ...]:
        """`TRUSTED_PROXIES`: networks whose headers are believed; the word `unix` trusts Unix sockets."""
        return parse_networks(tuple(self._get("TRUSTED_PROXIES", ("127.0.0.0/8", "::1/128"))))

    @cached_property
    def metrics_networks(self) -> tuple[Network | str, ...]:
        """`METRICS_ALLOWED_NETWORKS`: peers that may read `/metrics` without a token; `unix` as above."""
        entries = tuple(self._get("METRICS_ALLOWED_NETWORKS", ("127.0.0.0/8", "::1/128")))
        return parse_networks(entries, "METRICS_ALLOWED_NETWORKS")

    @cached_property
    def edge_id_headers(self) -> tuple[str, ...]:
        """`TRAFFIC_EDGE_ID_HEADERS`: request-id headers that name one request however often it arrives."""
        return tuple(self._get("TRAFFIC_EDGE_ID_HEADERS", ("CF-Ray",)))

    @cached_property
    def var_dir(self) -> Path:
        """`VAR_DIR`: folder of everything this instance keeps on disk."""
        return Path(self._get("VAR_DIR", "var"))

    @cached_property
    def client_hash_key(self) -> str:
        """`CLIENT_HASH_KEY`; unset, a key is made once and kept under `VAR_DIR`."""
        key = self._get("CLIENT_HASH_KEY", None)
        return _kept_hash_key(self._get("VAR_DIR", "var")) if key is None else str(key)

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

    @cached_property
    def test_endpoint(self) -> bool:
        """`TEST_ENDPOINT`: whether `/api/test` answers."""
        return bool(self._get("TEST_ENDPOINT", settings.DEBUG))


@lru_cache(maxsize=16)
def _kept_hash_key(var_dir: str | Path) -> str:
    """Asked for by every request, so that not even its path is made anew."""
    return kept_key(Path(var_dir) / "keys" / "client_hash_key")


conf = TrafficSettings()


def _forget(**_: Any) -> None:
    conf.forget()


setting_changed.connect(_forget, dispatch_uid="gateway.conf")
