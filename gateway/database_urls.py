"""What `DATABASE_URL` and `LEGACY_DATABASE_URL` name, as Django's settings want it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

from gateway import embedded_postgres

CONNECT_SECONDS = 2


def queue_database(url: str, var_dir: Path) -> dict[str, Any]:
    """The PostgreSQL of that URL, the embedded one if it is empty. Raises ImproperlyConfigured."""
    if url:
        database = _parsed("DATABASE_URL", url)
        if "postgresql" not in str(database["ENGINE"]):
            raise ImproperlyConfigured("DATABASE_URL: must name a PostgreSQL database (postgres://…)")
    else:
        database = dict(embedded_postgres.connection_settings(var_dir))
    options = {
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "tallygate",
        **(database.get("OPTIONS") or {}),
    }
    return {**database, "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True, "OPTIONS": options}


def legacy_database(url: str, folder: Path) -> dict[str, Any]:
    """The collector's own store; a SQLite file gets what several writing processes need.

    Raises ImproperlyConfigured.
    """
    database = _parsed("LEGACY_DATABASE_URL", url)
    if "sqlite" in str(database["ENGINE"]):
        database["OPTIONS"] = {
            # IMMEDIATE: a transaction that reads and then writes can't be refused half-way.
            "transaction_mode": "IMMEDIATE",
            "timeout": 2,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        }
        # A database in memory belongs to one connection; the collector is written by many threads.
        database["TEST"] = {"NAME": str(folder / "test.sqlite3")}
    else:
        database["OPTIONS"] = {"connect_timeout": CONNECT_SECONDS, **(database.get("OPTIONS") or {})}
    return database


def _parsed(name: str, url: str) -> dict[str, Any]:
    try:
        database = environ.Env.db_url_config(url)
    except (ValueError, environ.ImproperlyConfigured):
        database = {}  # the parser's own words may quote a part of the password
    if not database.get("ENGINE"):
        raise ImproperlyConfigured(
            f"{name}: not a database URL (expected scheme://user:password@host:port/name,"
            " special characters of the password percent-encoded)"
        )
    return dict(database)
