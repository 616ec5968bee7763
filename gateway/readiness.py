"""What `/readyz` asks about the queue's database. Each check returns None, or one line on what is missing."""

from __future__ import annotations

from django.db import Error, connections
from django.db.migrations.executor import MigrationExecutor

from gateway.conf import conf
from gateway.deadline import deadline

SECONDS = 2.0  # a server that hangs must not hang the probe

_migrated: set[str] = set()


def database() -> str | None:
    """Whether the queue's database answers."""
    connection = connections[conf.database]
    try:
        with deadline(connection, SECONDS), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except (Error, OSError) as error:
        connection.close()
        return f"cannot reach database {conf.database!r}: {' '.join(str(error).split())}"
    return None


def migrations() -> str | None:
    """Whether the queue's database has all migrations. Raises django.db.Error.

    A positive answer is kept: it can only change by a deployment, and asking reads every migration.
    """
    alias = conf.database
    if alias in _migrated:
        return None
    connection = connections[alias]
    with deadline(connection, SECONDS):
        executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in missing[:3])
        return f"migrations not applied ({len(missing)}): {names}{', …' if len(missing) > 3 else ''}"
    _migrated.add(alias)
    return None
