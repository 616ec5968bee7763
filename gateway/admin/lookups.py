"""What an address may ask of an admin page: a value that no row can have finds what no row has, nothing."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import BadRequest, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin

LOOKUPS = ("exact", "isnull")  # those that the list's own filters write; a regex, say, can be a wrong one
NUL = "\x00"  # no text of PostgreSQL holds it, and it refuses even to compare with it


class CarefulLookups(ModelAdmin):
    """Refuses before the database must: its DataError would be a server error."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request)
        holds_nul = any(NUL in value for _, values in request.GET.lists() for value in values)
        return rows.none() if holds_nul else rows

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Model | None:
        return None if NUL in object_id else super().get_object(request, object_id, from_field)

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        # Django lets a URL filter by any column; here only by those that are offered.
        offered = {getattr(choice, "parameter_name", choice) for choice in self.list_filter}
        field, *rest = lookup.split("__")
        if field not in offered or (rest and rest[-1] not in LOOKUPS):
            return False
        return super().lookup_allowed(lookup, value, request)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        try:
            for selected in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.model._meta.pk.to_python(selected)
        except ValidationError as error:
            raise BadRequest("A selected row is none that can be.") from error
        return super().response_action(request, queryset)
