"""System checks of the collector's database; each mistake has an id of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register
from django.db import router

from gateway.conf import conf
from legacy_collector.models import CollectedEvent

THIS_HOST = ("", "localhost", "127.0.0.1", "::1")


@register()
def check_database(**kwargs: Any) -> list[CheckMessage]:
    """E001: there is no such database; W001 to W003: it can't do its task well."""
    alias = conf.legacy_database
    if alias not in settings.DATABASES:
        return [
            Error(
                f"DATABASES has no {alias!r}, the legacy collector's database.",
                hint="Add it, or name another one in LEGACY_DATABASE.",
                id="legacy_collector.E001",
            )
        ]
    legacy, queue = settings.DATABASES[alias], settings.DATABASES.get(conf.database, {})
    return _check_sqlite(alias, legacy) + _check_reach(alias, legacy, queue) + _check_apart(legacy, queue)


@register()
def check_router(**kwargs: Any) -> list[CheckMessage]:
    """E002: the collector's tables would be looked for in another database."""
    if router.db_for_write(CollectedEvent) == conf.legacy_database:
        return []
    return [
        Error(
            f"The legacy collector's tables are not routed to {conf.legacy_database!r}.",
            hint="Add 'legacy_collector.router.LegacyRouter' to DATABASE_ROUTERS.",
            id="legacy_collector.E002",
        )
    ]


def _check_sqlite(alias: str, legacy: Mapping[str, Any]) -> list[CheckMessage]:
    mode = legacy.get("OPTIONS", {}).get("transaction_mode") or ""
    if not _is_sqlite(legacy) or mode.upper() in ("IMMEDIATE", "EXCLUSIVE"):
        return []
    return [
        Warning(
            f"DATABASES[{alias!r}]: without immediate transactions, processes that write at once are"
            " refused with 'database is locked', however long the time-out.",
            hint='Set OPTIONS["transaction_mode"] to "IMMEDIATE".',
            id="legacy_collector.W001",
        )
    ]


def _check_reach(alias: str, legacy: Mapping[str, Any], queue: Mapping[str, Any]) -> list[CheckMessage]:
    host = str(queue.get("HOST") or queue.get("OPTIONS", {}).get("host") or "")
    if not _is_sqlite(legacy) or host in THIS_HOST or host.startswith("/"):
        return []
    return [
        Warning(
            f"DATABASES[{alias!r}] is a SQLite file, but PostgreSQL is on {host}: what a web host's"
            " collector takes is replayed only by a worker on that same host.",
            hint="Run web and worker on one host, or let LEGACY_DATABASE_URL name a server that both reach.",
            id="legacy_collector.W002",
        )
    ]


def _check_apart(legacy: Mapping[str, Any], queue: Mapping[str, Any]) -> list[CheckMessage]:
    if _is_sqlite(legacy) or _server(legacy) != _server(queue):
        return []
    return [
        Warning(
            "The legacy collector is on the queue's own server: it fails whenever the queue does.",
            hint="Let LEGACY_DATABASE_URL name another server, or leave it unset for a SQLite file.",
            id="legacy_collector.W003",
        )
    ]


def _is_sqlite(database: Mapping[str, Any]) -> bool:
    return "sqlite" in str(database.get("ENGINE"))


def _server(database: Mapping[str, Any]) -> tuple[str, str]:
    host = database.get("HOST") or database.get("OPTIONS", {}).get("host") or ""
    return str(host), str(database.get("PORT") or 5432)
