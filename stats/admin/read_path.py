"""Admin pages of the read path: who is answered from where, and what comparing both found."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from gateway.phrase import shown
from gateway.read_settings import read_settings
from stats import read_from
from stats.models import ReadChange, ReadComparison

FIELDS = ("percent", "queue_readers", "legacy_readers", "compared_percent")


class ReadChangeForm(forms.ModelForm):
    """Refuses what no path could go by, at the field that is wrong."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            if name in ("queue_readers", "legacy_readers", "note"):
                field.widget.attrs["rows"] = 3

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                read_settings(*(cleaned[name] for name in FIELDS))
            except ValueError as error:
                field, message = shown(error.args[0]).split(": ", 1)
                self.add_error(field, message)
        return cleaned


@admin.register(ReadChange)
class ReadChangeAdmin(ReadOnlyAdmin):
    """Which path answers readers, and since when; the first row is in force."""

    form = ReadChangeForm
    list_display = ("percent_shown", "forced", "compared", "since", "who", "why")
    list_display_links = ("since",)
    keeps_history = True
    empty_text = _(
        "Nobody has chosen: READ_FROM is in force. The button above has another share of the readers answered"
        " by the queue path, in all processes within 10 seconds."
    )

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("stats.add_readchange"))

    def get_fields(self, request: HttpRequest, obj: ReadChange | None = None) -> tuple[str, ...]:
        if obj is None:
            return *FIELDS, "note"
        return "percent_shown", "queue_shown", "legacy_shown", "compared", "since", "who", "note_shown"

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        found = read_from.in_force()
        return {
            "percent": found.percent,
            "queue_readers": "\n".join(sorted(found.queue_readers)),
            "legacy_readers": "\n".join(sorted(found.legacy_readers)),
            "compared_percent": found.compared_percent,
        }

    def save_model(self, request: HttpRequest, obj: ReadChange, form: Any, change: bool) -> None:
        wanted = read_settings(*(getattr(obj, name) for name in FIELDS))
        made = read_from.change(wanted, by=request.user.get_username(), note=obj.note)
        obj.pk, obj.changed_at, obj.changed_by = made.pk, made.changed_at, made.changed_by

    def detail_context(self, request: HttpRequest) -> dict[str, Any]:
        return {
            **super().detail_context(request),
            "show_save_and_continue": False,
            "show_save_and_add_another": False,
        }

    @display(description=_("From the queue path"))
    def percent_shown(self, change: ReadChange) -> SafeString:
        kind = "success" if change.percent == 100 else "info" if change.percent else "warning"
        told = gettext("%(percent)s %% of the readers") % {"percent": f"{change.percent:g}"}
        return text.label(told, kind)

    @display(description=_("Forced readers"))
    def forced(self, change: ReadChange) -> str:
        queue, legacy = (len(found.splitlines()) for found in (change.queue_readers, change.legacy_readers))
        told = gettext("%(queue)s to the queue path, %(legacy)s to the collector")
        return told % {"queue": queue, "legacy": legacy} if queue or legacy else "-"

    @display(description=_("Always from the queue path"))
    def queue_shown(self, change: ReadChange) -> str:
        return text.block(change.queue_readers) if change.queue_readers else "-"

    @display(description=_("Always from the collector"))
    def legacy_shown(self, change: ReadChange) -> str:
        return text.block(change.legacy_readers) if change.legacy_readers else "-"

    @display(description=_("Answers compared"))
    def compared(self, change: ReadChange) -> str:
        return f"{change.compared_percent:g} %"

    @display(description=_("In force since (UTC)"))
    def since(self, change: ReadChange) -> str:
        return text.utc(change.changed_at)

    @display(description=_("Chosen by"))
    def who(self, change: ReadChange) -> str:
        return text.whole(change.changed_by)

    @display(description=_("Why"))
    def why(self, change: ReadChange) -> str:
        return text.one_line(change.note)

    @display(description=_("Why"))
    def note_shown(self, change: ReadChange) -> str:
        return text.whole(change.note)


class DifferingFilter(admin.SimpleListFilter):
    """Only the one choice that has an index of its own."""

    title = _("answers")
    parameter_name = "answers"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("differing", gettext("that differ"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(difference__gt=0) if self.value() == "differing" else queryset


@admin.register(ReadComparison)
class ReadComparisonAdmin(ReadOnlyAdmin):
    """Answers of one path beside the other's, newest first."""

    list_display = (
        "made",
        "report",
        "begin",
        "end",
        "served_shown",
        "queue",
        "collector",
        "difference_shown",
    )
    list_filter = (DifferingFilter,)
    list_deferred: ClassVar = ("differing",)
    fields = (
        *("report", "begin", "end", "served_shown", "queue", "collector", "difference_shown", "made"),
        "differing_shown",
    )
    empty_text = _(
        "No answer has been compared. Read path says how many are to be; hours of mode dual can be, a quarter"
        " of an hour after they are over."
    )

    @display(description=_("Compared (UTC)"))
    def made(self, row: ReadComparison) -> str:
        return text.utc(row.made_at)

    @display(description=_("From (UTC)"))
    def begin(self, row: ReadComparison) -> str:
        return text.utc(row.since)

    @display(description=_("To (UTC)"))
    def end(self, row: ReadComparison) -> str:
        return text.utc(row.until)

    @display(description=_("Answered by"))
    def served_shown(self, row: ReadComparison) -> str:
        return gettext("the queue path") if row.served == "queue" else gettext("the collector")

    @display(description=_("Queue path"))
    def queue(self, row: ReadComparison) -> str:
        return text.count(row.queue_requests)

    @display(description=_("Collector"))
    def collector(self, row: ReadComparison) -> str:
        return text.count(row.collector_requests)

    @display(description=_("Difference"))
    def difference_shown(self, row: ReadComparison) -> SafeString:
        return text.label(f"{row.difference:.3%}", "danger" if row.difference else "success")

    @display(description=_("What differs most"))
    def differing_shown(self, row: ReadComparison) -> str:
        if not row.differing:
            return gettext("Nothing.")
        errors = gettext("of these errors")
        titles = (gettext("Name"), gettext("Queue path"), errors, gettext("Collector"), errors)
        rows = [[text.one_line(str(name)), *(f"{n:,}" for n in counts)] for name, *counts in row.differing]
        return render_to_string("gateway/plain_table.html", {"titles": titles, "rows": rows})
