"""Checks of the two databases that `TRAFFIC_DATABASE` and `LEGACY_DATABASE` name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.checks import CheckMessage, register
from django.db import connections

from gateway.checks.reading import TAG, database, error, is_number, read, warning
from gateway.conf import conf

POOL_TIMEOUT = 30.0  # seconds, psycopg_pool's own default
MAX_CONNECT_TIMEOUT = 10.0  # seconds


@register(TAG)
def check_databases(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E005, E006, W005, W006."""
    problems: list[CheckMessage] = []
    entry = database(conf.database)
    if entry is None:
        problems.append(error(5, f"TRAFFIC_DATABASE: DATABASES has no usable entry {conf.database!r}"))
    elif connections[conf.database].vendor != "postgresql":
        problems.append(error(5, f"TRAFFIC_DATABASE: {conf.database!r} is not PostgreSQL"))
    else:
        problems += _slow_options(entry.get("OPTIONS"))
    if database(conf.legacy_database) is None:
        problems.append(error(6, f"LEGACY_DATABASE: DATABASES has no usable entry {conf.legacy_database!r}"))
    elif conf.legacy_database == conf.database:
        text = f"LEGACY_DATABASE: {conf.database!r} is the queue's, so the fallback would fail with the queue"
        problems.append(error(6, text))
    return problems


def _slow_options(options: Any) -> Iterator[CheckMessage]:
    options = options if isinstance(options, Mapping) else {}
    bound = read(lambda: conf.send_timeout)
    pool = options.get("pool")
    if pool and bound is not None:
        timeout = pool.get("timeout", POOL_TIMEOUT) if isinstance(pool, Mapping) else POOL_TIMEOUT
        if not (is_number(timeout) and timeout <= bound):
            text = f"DATABASES[{conf.database!r}]: the pool waits {timeout!r} s for a connection"
            hint = f'OPTIONS: "pool": {{"timeout": {bound}}}, or less'
            yield warning(5, f"{text}, longer than TRAFFIC_SEND_TIMEOUT ({bound} s)", hint)
    timeout = options.get("connect_timeout")
    # libpq takes it as text, too; from a URL it comes so.
    seconds = read(lambda: float(timeout))
    if seconds is None or not 0 < seconds <= MAX_CONNECT_TIMEOUT:
        text = f"DATABASES[{conf.database!r}]: connect_timeout is {timeout!r}; a dead host blocks the sender"
        yield warning(6, text, 'OPTIONS: "connect_timeout": 2')
