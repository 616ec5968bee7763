"""System checks of Tallygate's settings (`manage.py check --tag traffic`, some only with `--deploy`).

| id           | what is wrong                                                                            |
|--------------|------------------------------------------------------------------------------------------|
| gateway.E001 | TRAFFIC_QUEUE is no dictionary, or has an unknown key                                    |
| gateway.E002 | a value of TRAFFIC_QUEUE has the wrong type or lies out of range                         |
| gateway.E003 | TRAFFIC_QUEUE: max_concurrency is not 1: two consumers would fight over every batch      |
| gateway.E004 | TRAFFIC_LINGER is longer than max_batch_timeout                                          |
| gateway.E005 | TRAFFIC_DATABASE names no entry of DATABASES, or one that is not PostgreSQL              |
| gateway.E006 | LEGACY_DATABASE names no entry of DATABASES, or the queue's own                          |
| gateway.E010 | Q_CLUSTER is missing or no dictionary                                                    |
| gateway.E011 | Q_CLUSTER does not use the ORM broker on TRAFFIC_DATABASE                                |
| gateway.E012 | Q_CLUSTER: workers is not 1                                                              |
| gateway.E013 | Q_CLUSTER: no timeout, so a task that hangs hangs for ever                               |
| gateway.E014 | Q_CLUSTER: retry is less than twice the timeout, so tasks run again while they run       |
| gateway.E015 | Q_CLUSTER: max_attempts is not finite                                                    |
| gateway.E016 | Q_CLUSTER: sync, so requests would do the consumer's work                                |
| gateway.E017 | Q_CLUSTER has another name than TRAFFIC_QUEUE, so nobody would answer the doorbell       |
| gateway.E018 | TRAFFIC_DRAIN_SECONDS is not under half the task's timeout                               |
| gateway.E019 | TRAFFIC_LEASE is longer than the task's timeout                                          |
| gateway.E020 | STATS_MODE is unknown                                                                    |
| gateway.E021 | an entry of TRUSTED_PROXIES is no network                                                |
| gateway.E022 | an entry of TRAFFIC_EXCLUDE is no prefix and no valid pattern                            |
| gateway.E023 | a number (of seconds, events) has the wrong type or lies out of range                    |
| gateway.E024 | a switch is neither True nor False                                                       |
| gateway.E025 | VAR_DIR can't be written                                                                 |
| gateway.E026 | a dotted path (TRAFFIC_COLLECTOR, READINESS_CHECKS) can't be imported                    |
| gateway.E027 | TRAFFIC_EDGE_ID_HEADERS is no list of header names                                       |
| gateway.E028 | CLIENT_HASH_KEY is no text                                                               |
| gateway.W001 | the middleware is not in MIDDLEWARE: nothing is counted                                  |
| gateway.W002 | the middleware is not the first: what stands before it is neither timed nor counted      |
| gateway.W003 | CLIENT_HASH_KEY is empty: addresses can be worked out from a plain hash                  |
| gateway.W004 | Q_CLUSTER: save_limit is not -1: every task locks and loads all saved ones               |
| gateway.W005 | the database's pool waits longer than TRAFFIC_SEND_TIMEOUT                               |
| gateway.W006 | the database has no connect_timeout within a few seconds: an outage blocks the sender    |
| gateway.W010 | deploy: loopback is trusted: what the local proxy must set or strip                      |
| gateway.W011 | deploy: the collector is a SQLite file, but the consumer runs elsewhere                  |

A check reads what anyone may have written, so it believes no type and never raises.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import connections
from django.utils.module_loading import import_string

from gateway.conf import MODES, QUEUE_DEFAULTS, conf, parse_networks

TAG = "traffic"
MIDDLEWARE = "gateway.middleware.TrafficMiddleware"
POOL_TIMEOUT = 30.0  # seconds, psycopg_pool's own default
MAX_CONNECT_TIMEOUT = 10.0  # seconds
MISSING = object()
T = TypeVar("T")

# Of whole numbers; what no one could mean is out of range.
QUEUE_RANGES = {"max_batch_size": (1, 10_000), "max_retries": (0, 100), "max_concurrency": (1, 1_000)}

# Seconds, unless it says events. The defaults stand in `conf` and need no check.
RANGES: dict[str, tuple[type, float, float]] = {
    "TRAFFIC_LINGER": (float, 0, 60),
    "TRAFFIC_BUFFER_EVENTS": (int, 1, 10_000_000),
    "TRAFFIC_SEND_TIMEOUT": (float, 0.05, 60),
    "TRAFFIC_EXIT_TIMEOUT": (float, 0, 600),
    "LEGACY_MAX_EVENTS": (int, 1, 1_000_000_000),
    "TRAFFIC_LEASE": (float, 0.1, 3600),
    "TRAFFIC_RETRY_DELAY": (float, 0.01, 3600),
    "TRAFFIC_DRAIN_SECONDS": (float, 0.1, 3600),
    "TRAFFIC_TRANSACTION_EVENTS": (int, 1, 1_000_000),
}
SWITCHES = ("TRAFFIC_ENABLED", "TRAFFIC_LOG_EVENTS", "TEST_ENDPOINT")

LOCAL_PROXY_HINT = """\
Anything on this machine is believed. A local nginx that faces clients itself must set or strip, \
in the `location` that passes requests on:
    proxy_set_header CF-Connecting-IP "";
    proxy_set_header CF-Ray "";
    proxy_set_header CF-IPCountry "";
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Request-ID $request_id;
    proxy_set_header X-Request-Start "t=${msec}";%s
Behind Cloudflare, leave the three CF- headers as they come and let only Cloudflare's networks reach nginx. \
With no proxy on this machine, take loopback out of TRUSTED_PROXIES."""


@register(TAG)
def check_queue(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E001 to E004."""
    queue = getattr(settings, "TRAFFIC_QUEUE", {})
    if not isinstance(queue, Mapping):
        return [_error(1, f"TRAFFIC_QUEUE: {queue!r} is no dictionary")]
    known = ", ".join(QUEUE_DEFAULTS)
    unknown = [key for key in queue if key not in QUEUE_DEFAULTS]
    problems = [_error(1, f"TRAFFIC_QUEUE: unknown key {key!r} (known: {known})") for key in unknown]
    problems += [
        _error(2, f"TRAFFIC_QUEUE: {text}") for text in _bad_queue_values({**QUEUE_DEFAULTS, **queue})
    ]
    if problems:
        return problems
    if conf.queue.max_concurrency != 1:
        text = f"TRAFFIC_QUEUE: max_concurrency is {conf.queue.max_concurrency}, only 1 can work"
        problems.append(_error(3, text))
    linger = getattr(settings, "TRAFFIC_LINGER", 0)
    if _is_number(linger) and linger > conf.queue.max_batch_timeout:
        bound = conf.queue.max_batch_timeout
        problems.append(_error(4, f"TRAFFIC_LINGER: {linger} s is longer than max_batch_timeout ({bound} s)"))
    return problems


def _bad_queue_values(queue: Mapping[str, Any]) -> Iterator[str]:
    for key, (least, most) in QUEUE_RANGES.items():
        if not (_is_number(queue[key], int) and least <= queue[key] <= most):
            yield f"{key} is {queue[key]!r}, not a whole number from {least} to {most}"
    timeout = queue["max_batch_timeout"]
    if not (_is_number(timeout) and 0 < timeout <= 60):
        yield f"max_batch_timeout is {timeout!r}, not a number of seconds above 0, up to 60"
    for key in ("name", "dead_letter_queue"):
        if not (isinstance(queue[key], str) and queue[key].strip()):
            yield f"{key} is {queue[key]!r}, not a name"


@register(TAG)
def check_databases(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E005, E006, W005, W006."""
    problems: list[CheckMessage] = []
    entry = _database(conf.database)
    if entry is None:
        problems.append(_error(5, f"TRAFFIC_DATABASE: DATABASES has no usable entry {conf.database!r}"))
    elif connections[conf.database].vendor != "postgresql":
        problems.append(_error(5, f"TRAFFIC_DATABASE: {conf.database!r} is not PostgreSQL"))
    else:
        problems += _slow_options(entry.get("OPTIONS"))
    if _database(conf.legacy_database) is None:
        problems.append(_error(6, f"LEGACY_DATABASE: DATABASES has no usable entry {conf.legacy_database!r}"))
    elif conf.legacy_database == conf.database:
        text = f"LEGACY_DATABASE: {conf.database!r} is the queue's, so the fallback would fail with the queue"
        problems.append(_error(6, text))
    return problems


def _slow_options(options: Any) -> Iterator[CheckMessage]:
    options = options if isinstance(options, Mapping) else {}
    bound = _read(lambda: conf.send_timeout)
    pool = options.get("pool")
    if pool and bound is not None:
        timeout = pool.get("timeout", POOL_TIMEOUT) if isinstance(pool, Mapping) else POOL_TIMEOUT
        if not (_is_number(timeout) and timeout <= bound):
            text = f"DATABASES[{conf.database!r}]: the pool waits {timeout!r} s for a connection"
            hint = f'OPTIONS: "pool": {{"timeout": {bound}}}, or less'
            yield _warning(5, f"{text}, longer than TRAFFIC_SEND_TIMEOUT ({bound} s)", hint)
    timeout = options.get("connect_timeout")
    # libpq takes it as text, too; from a URL it comes so.
    seconds = _read(lambda: float(timeout))
    if seconds is None or not 0 < seconds <= MAX_CONNECT_TIMEOUT:
        text = f"DATABASES[{conf.database!r}]: connect_timeout is {timeout!r}; a dead host blocks the sender"
        yield _warning(6, text, 'OPTIONS: "connect_timeout": 2')


@register(TAG)
def check_cluster(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E010 to E019, W004."""
    cluster = getattr(settings, "Q_CLUSTER", None)
    if not isinstance(cluster, Mapping):
        hint = "Q_CLUSTER = gateway.conf.q_cluster(TRAFFIC_QUEUE)"
        return [_error(10, f"Q_CLUSTER: {cluster!r} is no dictionary", hint)]
    return [*_broker_problems(cluster), *_worker_problems(cluster), *_time_problems(cluster)]


def _broker_problems(cluster: Mapping[str, Any]) -> Iterator[CheckMessage]:
    others = [key for key in ("broker_class", "iron_mq", "sqs") if cluster.get(key)]
    if _is_orm_broker(cluster.get("broker_class")):
        others.remove("broker_class")
    if cluster.get("orm") != conf.database or others:
        instead = f" and {', '.join(others)} comes first" if others else ""
        text = f"Q_CLUSTER: orm is {cluster.get('orm')!r}, not {conf.database!r}{instead}"
        yield _error(11, text, "The doorbell must be in one transaction with the batches it rings for.")
    name = cluster.get("cluster_name", cluster.get("name", "default"))
    wanted = _read(lambda: conf.queue.name)
    if wanted and name != wanted:
        yield _error(17, f"Q_CLUSTER: its name is {name!r}, but TRAFFIC_QUEUE's is {wanted!r}")


def _is_orm_broker(path: Any) -> bool:
    """Whether the broker class is django-q2's ORM broker or made from it."""
    try:
        from django_q.brokers.orm import ORM

        return issubclass(import_string(path), ORM)
    except Exception:  # noqa: BLE001 - whatever it is, it is none
        return False


def _worker_problems(cluster: Mapping[str, Any]) -> Iterator[CheckMessage]:
    if cluster.get("workers") != 1 or cluster.get("workers") is True:
        yield _error(12, f"Q_CLUSTER: workers is {cluster.get('workers')!r}, only 1 can work")
    attempts = cluster.get("max_attempts", 0)
    if not (_is_number(attempts, int) and attempts >= 1):
        yield _error(15, f"Q_CLUSTER: max_attempts is {attempts!r}, which is no bound")
    if cluster.get("sync"):
        yield _error(16, "Q_CLUSTER: sync is on: the consumer would run inside the request")
    limit = cluster.get("save_limit", 250)
    if not (_is_number(limit, int) and limit < 0):
        yield _warning(
            4, f"Q_CLUSTER: save_limit is {limit!r}, which slows the consumer down", "save_limit: -1"
        )


def _time_problems(cluster: Mapping[str, Any]) -> Iterator[CheckMessage]:
    timeout: Any = cluster.get("timeout")
    retry: Any = cluster.get("retry", 60)
    if not (_is_number(timeout) and timeout > 0):
        yield _error(13, f"Q_CLUSTER: timeout is {timeout!r}, not a number of seconds above 0")
        return
    if not (_is_number(retry) and retry >= 2 * timeout):
        yield _error(14, f"Q_CLUSTER: retry is {retry!r} s, less than twice the timeout ({timeout} s)")
    drain = _read(lambda: conf.drain_seconds)
    if drain is not None and drain >= timeout / 2:
        text = f"TRAFFIC_DRAIN_SECONDS: {drain} s is not under half the task's timeout ({timeout} s)"
        yield _error(18, text)
    lease = _read(lambda: conf.lease)
    if lease is not None and lease > timeout:
        yield _error(19, f"TRAFFIC_LEASE: {lease} s is longer than the task's timeout ({timeout} s)")


@register(TAG)
def check_values(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E020, E023, E024, E026 to E028, W003."""
    return [*_bad_numbers(), *_bad_words(), *_bad_paths()]


def _bad_numbers() -> Iterator[CheckMessage]:
    for name, (kind, least, most) in RANGES.items():
        value: Any = getattr(settings, name, MISSING)
        if value is not MISSING and not (_is_number(value, kind) and least <= value <= most):
            what = "a whole number" if kind is int else "a number of seconds"
            yield _error(23, f"{name}: {value!r} is not {what} from {least:g} to {most:g}")


def _bad_words() -> Iterator[CheckMessage]:
    if conf.mode not in MODES:
        yield _error(20, f"STATS_MODE: {conf.mode!r} is none of {', '.join(MODES)}")
    for name in SWITCHES:
        value = getattr(settings, name, True)
        if not isinstance(value, bool):
            yield _error(24, f"{name}: {value!r} is neither True nor False")
    headers = getattr(settings, "TRAFFIC_EDGE_ID_HEADERS", ())
    if not _is_list(headers) or not all(
        isinstance(header, str) and re.fullmatch(r"[A-Za-z0-9-]+", header) for header in headers
    ):
        yield _error(27, f"TRAFFIC_EDGE_ID_HEADERS: {headers!r} is no list of header names")
    key = getattr(settings, "CLIENT_HASH_KEY", None)
    if key == "":
        text = "CLIENT_HASH_KEY: empty, so addresses can be worked out from their hashes"
        yield _warning(3, text, "Leave it unset: a key is then made and kept under VAR_DIR.")
    elif not (key is None or isinstance(key, str)):
        yield _error(28, f"CLIENT_HASH_KEY: a {type(key).__name__}, not text")


def _bad_paths() -> Iterator[CheckMessage]:
    value = getattr(settings, "READINESS_CHECKS", MISSING)
    if value is MISSING or _is_list(value):
        named = [("READINESS_CHECKS", path) for path in conf.readiness_checks]
    else:
        named = []
        yield _error(26, f"READINESS_CHECKS: {value!r} is no list of dotted paths")
    for setting, path in [("TRAFFIC_COLLECTOR", conf.collector), *named]:
        try:
            import_string(path)
        except Exception as error:  # noqa: BLE001 - another module's import may fail in any way
            yield _error(26, f"{setting}: {path!r} can't be imported: {error}")


@register(TAG)
def check_capture(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E021, E022, W001, W002."""
    problems = [_error(21, text) for text in _bad_networks()]
    problems += [_error(22, f"TRAFFIC_EXCLUDE: {text}") for text in _bad_exclusions()]
    middleware = getattr(settings, "MIDDLEWARE", ())
    middleware = list(middleware) if _is_list(middleware) else []
    if MIDDLEWARE not in middleware:
        problems.append(_warning(1, f"MIDDLEWARE: {MIDDLEWARE} is missing, so nothing is counted"))
    elif middleware[0] != MIDDLEWARE:
        text = f"MIDDLEWARE: {MIDDLEWARE} is not the first, so what {middleware[0]} answers isn't counted"
        problems.append(_warning(2, text))
    return problems


def _bad_networks() -> Iterator[str]:
    entries = getattr(settings, "TRUSTED_PROXIES", ())
    if not _is_list(entries):
        yield f"TRUSTED_PROXIES: {entries!r} is no list of networks"
        return
    for entry in entries:
        if not isinstance(entry, str):
            yield f"TRUSTED_PROXIES: {entry!r} is no text"
            continue
        try:
            parse_networks((entry,))
        except ValueError as error:
            yield str(error)


def _bad_exclusions() -> Iterator[str]:
    entries = getattr(settings, "TRAFFIC_EXCLUDE", ())
    if not _is_list(entries):
        yield f"{entries!r} is no list of prefixes and patterns"
        return
    for entry in entries:
        if not isinstance(entry, str) or not entry.startswith(("/", "re:")):
            yield f"{entry!r} begins neither with a slash nor with `re:`"
            continue
        try:
            re.compile(entry.removeprefix("re:") if entry.startswith("re:") else "")
        except (re.error, RecursionError, OverflowError) as error:
            yield f"{entry!r} is no pattern: {error}"


@register(TAG)
def check_var_dir(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E025."""
    folder = _read(lambda: conf.var_dir.absolute())
    if folder is None:
        return [_error(25, f"VAR_DIR: {getattr(settings, 'VAR_DIR', None)!r} is no path")]
    existing = _first_existing(folder)
    if existing is None or not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return [_error(25, f"VAR_DIR: {str(folder)!r} can't be written (nor made)")]
    return []


def _first_existing(folder: Path) -> Path | None:
    """The folder, or the nearest of its parents that is there: it is made when first used."""
    if "\0" in str(folder):
        return None
    try:
        return next((path for path in (folder, *folder.parents) if path.exists()), None)
    except (OSError, ValueError):
        return None


@register(TAG, deploy=True)
def check_deployment(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """W010, W011."""
    problems = []
    networks = _read(lambda: conf.trusted_proxies) or ()
    loopback = [str(network) for network in networks if _holds_loopback(network)]
    if loopback:
        others = _read(
            lambda: [name for name in conf.edge_id_headers if name not in ("CF-Ray", "X-Request-ID")]
        )
        hint = LOCAL_PROXY_HINT % "".join(f'\n    proxy_set_header {name} "";' for name in others or ())
        problems.append(_warning(10, f"TRUSTED_PROXIES: trusts loopback ({', '.join(loopback)})", hint))
    entry = _database(conf.legacy_database)
    if entry and connections[conf.legacy_database].vendor == "sqlite" and not apps.is_installed("stats"):
        text = (
            f"LEGACY_DATABASE: {conf.legacy_database!r} is a file of this host, which the worker can't read"
        )
        problems.append(_warning(11, text, "Set LEGACY_DATABASE_URL to a server that both hosts reach."))
    return problems


def _holds_loopback(network: Any) -> bool:
    if isinstance(network, str):
        return False
    loopback = ipaddress.ip_network("127.0.0.0/8" if network.version == 4 else "::1/128")
    return bool(network.overlaps(loopback))


# --- reading what may be anything ------------------------------------------------------------------


def _error(number: int, text: str, hint: str | None = None) -> CheckMessage:
    return Error(text, hint=hint, id=f"gateway.E{number:03}")


def _warning(number: int, text: str, hint: str | None = None) -> CheckMessage:
    return Warning(text, hint=hint, id=f"gateway.W{number:03}")


def _read(read: Callable[[], T]) -> T | None:
    """What `read` gives; None where a setting has a wrong type, of which its own check speaks."""
    try:
        return read()
    except (TypeError, ValueError, AttributeError, OverflowError):
        return None


def _is_number(value: Any, kind: type = float) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if kind is int else (int, float)):
        return False
    return isinstance(value, int) or math.isfinite(value)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple, set, frozenset))


def _database(alias: str) -> dict[str, Any] | None:
    """The entry of DATABASES, if its engine can be loaded. Connects to nothing."""
    try:
        return dict(connections[alias].settings_dict)
    except Exception:  # noqa: BLE001 - a wrong alias or engine fails in many ways
        return None
