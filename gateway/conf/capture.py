"""What the middleware, the sender and the journal go by."""

from __future__ import annotations

import sys
from functools import cached_property, lru_cache
from pathlib import Path

from django.conf import settings

from gateway.conf.base import Settings
from gateway.exclusions import Exclusions
from gateway.kept_keys import kept_key
from gateway.networks import Network, parse_networks

DEFAULT_EXCLUDE = (
    "/admin/",
    "/static/",
    "/healthz",
    "/readyz",
    "/metrics",
    "/stats/api/",
    "/favicon.ico",
)


class CaptureSettings(Settings):
    """One property a setting; the README's table says what it means."""

    @cached_property
    def enabled(self) -> bool:
        """`TRAFFIC_ENABLED`: whether requests are captured at all."""
        return bool(self._get("TRAFFIC_ENABLED", True))

    @cached_property
    def exclude(self) -> tuple[str, ...]:
        """`TRAFFIC_EXCLUDE`: path prefixes, or patterns after `re:`, that are not traffic."""
        return tuple(self._get("TRAFFIC_EXCLUDE", DEFAULT_EXCLUDE))

    @cached_property
    def exclusions(self) -> Exclusions:
        """Which paths are no traffic, by `enabled` and `exclude`. Raises re.error."""
        return Exclusions(self.exclude if self.enabled else ["re:"])

    @property  # asked for once a hand-over, and no setting alone decides it
    def log_events(self) -> bool:
        """`TRAFFIC_LOG_EVENTS`: a log line for each event, not only for each batch; on under runserver."""
        return bool(self._get("TRAFFIC_LOG_EVENTS", sys.argv[1:2] == ["runserver"]))

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
    def request_id_places(self) -> tuple[tuple[str, bool], ...]:
        """Where a request's id may stand, as `META` names it, in order; and whether it is the edge's."""
        edge = ["HTTP_" + header.upper().replace("-", "_") for header in self.edge_id_headers]
        names = dict.fromkeys(("HTTP_CF_RAY", *edge, "HTTP_X_REQUEST_ID"))
        return tuple((name, name in edge) for name in names)

    @cached_property
    def client_hash_key(self) -> str:
        """`CLIENT_HASH_KEY`; unset, a key is made once and kept under `VAR_DIR`."""
        key = self._get("CLIENT_HASH_KEY", None)
        return _kept_hash_key(self._get("VAR_DIR", "var")) if key is None else str(key)

    @cached_property
    def test_endpoint(self) -> bool:
        """`TEST_ENDPOINT`: whether `/api/test` answers."""
        return bool(self._get("TEST_ENDPOINT", settings.DEBUG))

    @cached_property
    def normalize_ids(self) -> bool:
        """`STATS_NORMALIZE_IDS`: whether id-like segments of an unmatched path become `{id}`."""
        return bool(self._get("STATS_NORMALIZE_IDS", True))

    @cached_property
    def group_not_found(self) -> bool:
        """`STATS_GROUP_NOT_FOUND`: whether unmatched requests answered with 404 share one route."""
        return bool(self._get("STATS_GROUP_NOT_FOUND", True))


@lru_cache(maxsize=16)
def _kept_hash_key(var_dir: str | Path) -> str:
    """Asked for by every request, so that not even its path is made anew."""
    return kept_key(Path(var_dir) / "keys" / "client_hash_key")
