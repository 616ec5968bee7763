"""Admin pages of the verifications: what was compared, and what differed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from stats.models import VerificationReport

if TYPE_CHECKING:
    from stats.verification.shapes import Hour, Report, Route

KINDS = {"holds": "success", "does not hold": "danger", "not enough data": "warning"}
STATES = {"pass": "success", "fail": "danger", "not enough data": "warning"}
IDS_SHOWN = 200


@admin.register(VerificationReport)
class VerificationReportAdmin(ReadOnlyAdmin):
    """Whether queue path and collector counted the same, newest first."""

    list_display = ("begin", "end", "verdict_shown", "error_shown", "compared_shown", "made")
    list_deferred: ClassVar = ("details",)
    fields = (
        "verdict_shown",
        "findings",
        "begin",
        "end",
        "error_shown",
        "compared_shown",
        "made",
        "routes",
        "hours",
        "missing_in_queue",
        "missing_in_collector",
        "inside",
    )
    empty_text = (
        "Nothing has been verified yet. Each night the day before is, once the collector has been in use;"
        " verify_counts --store does it at once."
    )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.readiness_view)
        return [path("readiness/", view, name="stats_readiness"), *super().get_urls()]

    def readiness_view(self, request: HttpRequest) -> HttpResponse:
        """The gate before the next phase."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        from stats.readiness import State, readiness  # here: it loads numpy, and all processes load this

        found = readiness()
        rows = [
            [
                condition.name,
                text.label(condition.state.value, STATES[condition.state.value]),
                condition.figure,
                condition.bound,
                condition.advice if condition.state is not State.PASS else "",
            ]
            for condition in found.conditions
        ]
        context = {
            **self.admin_site.each_context(request),
            "title": "Readiness",
            "opts": self.opts,
            "media": self.media,
            "is_open": found.is_open,
            "at": text.utc(found.at),
            "titles": ("Condition", "State", "Figure", "Bound", "What to do"),
            "rows": rows,
        }
        return TemplateResponse(request, "gateway/readiness.html", context)

    # --- columns -------------------------------------------------------------------------------------

    @display(description="From (UTC)")
    def begin(self, row: VerificationReport) -> str:
        return text.utc(row.since)

    @display(description="To (UTC)")
    def end(self, row: VerificationReport) -> str:
        return text.utc(row.until)

    @display(description="Verdict")
    def verdict_shown(self, row: VerificationReport) -> SafeString:
        return text.label(row.verdict, KINDS.get(row.verdict, ""))

    @display(description="Error")
    def error_shown(self, row: VerificationReport) -> str:
        return "-" if row.error is None else f"{row.error:.3%}"

    @display(description="Requests compared")
    def compared_shown(self, row: VerificationReport) -> str:
        return text.count(row.compared)

    @display(description="Made (UTC)")
    def made(self, row: VerificationReport) -> str:
        return text.utc(row.made_at)

    # --- detail --------------------------------------------------------------------------------------

    @display(description="Look at this first")
    def findings(self, row: VerificationReport) -> str:
        report = _report(row)
        if report is None:
            return "This report was made by another version."
        lines = ((text.whole(finding),) for finding in report.findings)
        return format_html_join("", "<div>{}</div>", lines) or "Nothing."

    @display(description="Routes that differ most")
    def routes(self, row: VerificationReport) -> str:
        titles = ("Route", "Queue path", "Collector", "Missing in queue path", "Missing in collector")
        return _table(
            titles, [_route(found) for found in _part(row, "routes")], "Every route is counted alike."
        )

    @display(description="Hours")
    def hours(self, row: VerificationReport) -> str:
        titles = (
            *("Hour (UTC)", "Mode", "Verdict", "Error", "Queue path", "Collector"),
            *("Missing in queue path", "Missing in collector", "Compared by"),
        )
        return _table(titles, [_hour(found) for found in _part(row, "hours")], "No hour could be compared.")

    @display(description="Missing in the queue path")
    def missing_in_queue(self, row: VerificationReport) -> str:
        report = _report(row)
        if report is None or not report.missing_in_queue:
            return "-"
        return text.block("\n".join([f"of these: {report.explanation}", *_first(report.missing_in_queue)]))

    @display(description="Missing in the collector")
    def missing_in_collector(self, row: VerificationReport) -> str:
        report = _report(row)
        return text.block("\n".join(_first(report.missing_in_collector))) if report else "-"

    @display(description="The queue path by itself")
    def inside(self, row: VerificationReport) -> str:
        report = _report(row)
        if report is None:
            return "-"
        inside = report.inside
        return (
            f"{inside.rows:,} rows, {inside.duplicates:,} duplicates,"
            f" {len(inside.mismatches):,} hours whose statistics differ from their rows,"
            f" {len(inside.gaps):,} gaps, {inside.dead_letters:,} dead letters,"
            f" {inside.fallback_waiting:,} events wait to be replayed"
        )


def _report(row: VerificationReport) -> Report | None:
    from stats.verification.kept import load  # likewise

    try:
        return load(row)
    except msgspec.ValidationError:
        return None


def _part(row: VerificationReport, name: str) -> list[Any]:
    report = _report(row)
    return getattr(report, name) if report else []


def _first(ids: list[str]) -> list[str]:
    more = len(ids) - IDS_SHOWN
    return [*ids[:IDS_SHOWN], *([f"and {more:,} more"] if more > 0 else [])]


def _route(row: Route) -> list[object]:
    numbers = (row.queue, row.collector, row.missing_in_queue, row.missing_in_collector)
    return [text.one_line(row.route), *(f"{number:,}" for number in numbers)]


def _hour(row: Hour) -> list[object]:
    numbers = (row.queue, row.collector, row.missing_in_queue, row.missing_in_collector)
    return [
        text.hour(row.hour),
        row.mode,
        text.label(row.verdict.value, KINDS[row.verdict.value]),
        f"{row.error:.3%}",
        *(f"{number:,}" for number in numbers),
        row.basis.value,
    ]


def _table(titles: tuple[str, ...], rows: list[list[object]], empty: str) -> str:
    if not rows:
        return empty
    return render_to_string("gateway/plain_table.html", {"titles": titles, "rows": rows})
