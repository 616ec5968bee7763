"""A list of the admin whose queries are bounded, whatever is searched for and however large the table is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db import OperationalError, connections, transaction
from django.db.models import QuerySet
from django.db.models.expressions import OrderBy
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext
from unfold.views import ChangeList

from gateway.admin.paginator import CappedCount

SECONDS = 5  # bound on a list's queries
QUERY_CANCELED = "57014"


class IndexedList(ChangeList):
    """A list in its one order, without the columns that only a detail page shows."""

    result_list: Any
    result_count: int

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        # Without `?o=`: a sort by a column that has no index would read the whole table.
        return list(self._get_deterministic_ordering(list(self.model_admin.get_ordering(request))))

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        found: QuerySet[Any] = super().get_queryset(request, exclude_parameters)
        return found.defer(*self.model_admin.list_deferred)

    def get_results(self, request: HttpRequest) -> None:
        try:
            with _bounded(self.queryset.db):
                super().get_results(request)
                self.result_list = list(self._page())
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != QUERY_CANCELED:
                raise
            told = gettext("Looking took longer than %(seconds)s s. A shorter time is quicker.")
            messages.warning(request, told % {"seconds": SECONDS})
            self._show_nothing()
        if not self.query and not self.has_active_filters:
            # So that the head of the page offers no "show all" where all is shown.
            self.full_result_count = self.result_count

    def _page(self) -> QuerySet[Any]:
        """The rows of this page, always with a LIMIT: rows arrive while the list is read."""
        start = (self.page_num - 1) * self.list_per_page if self.multi_page else 0
        rows = self.queryset
        if self.query and self.search_fields and not isinstance(self.result_count, CappedCount):
            # PostgreSQL likes to walk back through all rows in their order until a page is full. What was
            # searched for may be old, or nothing: find it by its own index, then sort it.
            rows = rows.order_by(*map(_unindexed, rows.query.order_by))
        return rows[start : start + self.list_per_page]

    def _show_nothing(self) -> None:
        self.result_list = []
        self.result_count = self.full_result_count = 0
        self.show_admin_actions = self.can_show_all = self.multi_page = False
        self.paginator: Paginator = Paginator([], self.list_per_page)


def _unindexed(name: str) -> OrderBy:
    """The order of a column, in a form that no index has."""
    column = name.removeprefix("-")
    return OrderBy(Coalesce(column, column), descending=name.startswith("-"))


@contextmanager
def _bounded(alias: str) -> Iterator[None]:
    """A transaction whose statements are cancelled after `SECONDS`, where the database can do that."""
    connection = connections[alias]
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(using=alias):
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{SECONDS * 1000:.0f}"])
        yield
