"""How the list of batches is narrowed."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from gateway import queue
from stats.admin.queue_chosen import ENTERED


class KindFilter(admin.SimpleListFilter):
    title = _("kind")
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("new", _("new")),
            ("failed", _("failed before")),
            ("part", _("part of another")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        condition = queue.KINDS.get(self.value() or "")
        return queryset if condition is None else queryset.filter(condition)


class EnteredFilter(admin.SimpleListFilter):
    title = _("entered")
    parameter_name = "entered"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("hour", _("over an hour ago")), ("day", _("over a day ago"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        age = ENTERED.get(self.value() or "")
        return queryset if age is None else queryset.filter(created_at__lte=Now() - age)
