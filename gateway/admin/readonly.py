"""The base of every admin page over what the system recorded: to be looked at, and cheap to look at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from gateway.admin.indexed_list import IndexedList
from gateway.admin.lookups import CarefulLookups
from gateway.admin.paginator import CappedPaginator
from gateway.admin.search import SearchError


class ReadOnlyAdmin(CarefulLookups):
    """Lists and details without add, change and delete, and no query that reads a whole table."""

    actions: ClassVar[Sequence[Any]] = ()
    ordering: ClassVar[Sequence[str]] = ("-pk",)
    sortable_by: ClassVar[Sequence[str]] = ()
    paginator = CappedPaginator
    list_per_page = 50
    list_max_show_all = 0
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_fullwidth = True
    change_list_template = "gateway/admin_list.html"
    change_form_template = "gateway/admin_detail.html"

    # Columns the list does not load.
    list_deferred: ClassVar[Sequence[str]] = ()
    # Shown on the page: what the search box takes, as (example, meaning).
    search_examples: ClassVar[Sequence[tuple[str, str | Promise]]] = ()
    # Shown in place of the list while there is nothing to list.
    empty_text: ClassVar[str | Promise] = _("Nothing has been recorded yet.")
    # Whether people can do something here, so that a history of it exists.
    keeps_history = False

    class Media:
        css = {"all": ["gateway/admin.css"]}

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[IndexedList]:
        return IndexedList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term.strip() or not self.search_fields:
            return queryset, False
        try:
            return self.search(queryset, search_term.strip()), False
        except SearchError as error:
            messages.warning(request, str(error))
            return queryset.none(), False

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        """The rows that `term` finds, by an index. Raises SearchError."""
        raise NotImplementedError

    def notice(self, request: HttpRequest) -> SafeString | str:
        """What must be seen first on list and detail; empty if there is nothing of that kind."""
        return ""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return super().changelist_view(request, {"notice": self.notice(request), **(extra_context or {})})

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = {**self.detail_context(request), **(extra_context or {})}
        return super().changeform_view(request, object_id, form_url, context)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        # What is kept names its row in one language, whoever's it was.
        with translation.override(None):
            return super().log_addition(request, obj, message)

    def detail_context(self, request: HttpRequest) -> dict[str, Any]:
        """What the detail page's template needs beside the row."""
        return {"show_history": self.keeps_history, "notice": self.notice(request)}
