"""Sends the collector's tables to the collector's database, and nothing else there."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from gateway.conf import conf

APP_LABEL = "legacy_collector"


class LegacyRouter:
    """To be named in `DATABASE_ROUTERS` (a system check says so)."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return conf.legacy_database if model._meta.app_label == APP_LABEL else None

    def db_for_write(self, model: type[Model], **hints: Any) -> str | None:
        return self.db_for_read(model)

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        if app_label == APP_LABEL:
            return db == conf.legacy_database
        if db == conf.legacy_database != conf.database:
            return False
        return None
