"""A list of the admin as a file: what its filter and search find, sent while it is read, and bounded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar

import msgspec
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import PermissionDenied
from django.db import Error, OperationalError, connections, transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from gateway import csv_table
from gateway.admin import text
from gateway.admin.indexed_list import QUERY_CANCELED, IndexedList
from gateway.admin.readonly import ReadOnlyAdmin
from gateway.admin.search import SearchError
from gateway.conf import conf
from gateway.logs import printable

logger = logging.getLogger(__name__)

CHUNK = 1_000  # rows that are held at once
MAX_QUERY = 500  # characters of a filter in the admin log
BEGUN = "broken off"  # what the log says until it knows better


class Selection(IndexedList):
    """What the list's filter and search find, of which no page is read."""

    def get_results(self, request: HttpRequest) -> None:
        self.result_list, self.result_count = [], 0


class ExportAdmin(ReadOnlyAdmin):
    """A list that can be downloaded by who is permitted to: `export_…` of its model."""

    # The file's columns: fields of the model.
    export_columns: ClassVar[Sequence[str]] = ()
    list_after_template = "gateway/export.html"

    def has_export_permission(self, request: HttpRequest) -> bool:
        permission = f"{self.opts.app_label}.export_{self.opts.model_name}"
        return self.has_view_permission(request) and bool(request.user.has_perm(permission))

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        return [path("export/", self.admin_site.admin_view(self.export_view), name=name), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        shown = {
            "may_export": self.has_export_permission(request),
            "export_url": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_export"),
            "export_rows": text.count(conf.export_rows),
        }
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def export_view(self, request: HttpRequest) -> HttpResponseBase:
        """POST only: a link would let any page read the whole list in a user's name."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_export_permission(request):
            raise PermissionDenied
        form = FORMATS.get(request.POST.get("format", ""))
        if form is None:
            return HttpResponseBadRequest("format: must be csv or json")
        try:
            rows = self._selected(request)
        except (SearchError, IncorrectLookupParameters):
            # The list says what is wrong with what was asked for.
            changelist = reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist")
            return redirect(f"{changelist}?{request.GET.urlencode()}")
        export = Export(rows, self.export_columns, conf.export_rows, conf.export_seconds)
        name = f"{self.opts.model_name}-{timezone.now():%Y%m%dT%H%M%SZ}.{form.extension}"
        lines = _logged(export, form, _entry(request, self.model))
        return csv_table.sent_by_parts(request, name, form.content_type, lines)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[IndexedList]:
        return Selection if _is_export(request) else super().get_changelist(request, **kwargs)

    def _selected(self, request: HttpRequest) -> QuerySet[Any]:
        """Raises SearchError and IncorrectLookupParameters."""
        term = request.GET.get(SEARCH_VAR, "").strip()
        if term:
            self.search(self.get_queryset(request), term)  # a list shows the error and goes on
        rows: QuerySet[Any] = self.get_changelist_instance(request).queryset
        return rows


def _is_export(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and str(match.url_name).endswith("_export")


@dataclass
class Export:
    """One file's rows, and what became of them."""

    rows: QuerySet[Any]
    columns: Sequence[str]
    most: int  # rows
    seconds: float
    sent: int = 0
    cut: str = ""  # why, if it was

    def read(self) -> Generator[tuple[Any, ...], None, None]:
        """By a cursor of the server's, in one transaction that ends in time. Raises django.db.Error."""
        too_late = f"cut after {self.seconds:g} s (EXPORT_SECONDS)"
        until = time.monotonic() + self.seconds
        try:
            with transaction.atomic(using=self.rows.db):
                _bound(self.rows.db, self.seconds)
                rows = self.rows.values_list(*self.columns)[: self.most + 1]
                for row in rows.iterator(chunk_size=CHUNK):
                    if self.sent == self.most:
                        self.cut = f"cut after {self.most:,} rows (EXPORT_ROWS)"
                    elif time.monotonic() > until:
                        self.cut = too_late
                    if self.cut:
                        return
                    self.sent += 1
                    yield row
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) != QUERY_CANCELED:
                raise
            self.cut = too_late


def _bound(alias: str, seconds: float) -> None:
    """A statement, and a client that takes no more, each hold the transaction open for so long at most."""
    milliseconds = f"{seconds * 1000:.0f}"
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT set_config('statement_timeout', %s, true),"
            " set_config('idle_in_transaction_session_timeout', %s, true),"
            # All rows are wanted, not the first of them soon.
            " set_config('cursor_tuple_fraction', '1', true)",
            [milliseconds, milliseconds],
        )


def _csv(export: Export) -> Iterator[str]:
    with closing(export.read()) as rows:
        yield from csv_table.lines(export.columns, rows)
    if export.cut:
        yield f"# {export.cut}\r\n"


def _json(export: Export) -> Iterator[str]:
    with closing(export.read()) as rows:
        for row in rows:
            yield msgspec.json.encode(dict(zip(export.columns, row, strict=True))).decode() + "\n"
    if export.cut:
        yield msgspec.json.encode({"cut": export.cut}).decode() + "\n"


@dataclass(frozen=True)
class Format:
    write: Callable[[Export], Iterator[str]]
    extension: str
    content_type: str


FORMATS = {
    "csv": Format(_csv, "csv", csv_table.CONTENT_TYPE),
    "json": Format(_json, "jsonl", "application/jsonl; charset=utf-8"),
}


def _entry(request: HttpRequest, model: type[Any]) -> LogEntry:
    """In the admin log from the start, so that a process that dies on the way leaves it, too."""
    query = printable(request.GET.urlencode())[:MAX_QUERY]
    return LogEntry.objects.create(
        user_id=str(request.user.pk),
        content_type=ContentType.objects.get_for_model(model, for_concrete_model=False),
        object_repr=f"all with the filter ?{query}"[:200] if query else "all",
        action_flag=CHANGE,
        change_message=f"Exported, {BEGUN}. Filter: {query or 'none'}.",
    )


def _logged(export: Export, form: Format, entry: LogEntry) -> Generator[str, None, None]:
    """The lines; in the end the entry says how many rows were sent."""
    end = BEGUN
    try:
        yield from form.write(export)
        end = export.cut or "complete"
    finally:
        told = f"Exported {export.sent:,} rows as {form.extension}, {end}."
        try:
            LogEntry.objects.filter(pk=entry.pk).update(
                change_message=entry.change_message.replace(f"Exported, {BEGUN}.", told)
            )
        except Error as error:
            logger.warning("%s The admin log does not say so: %s", told, printable(str(error)))
