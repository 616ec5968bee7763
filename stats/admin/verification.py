"""Admin pages of the verifications: what was compared, and what differed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.functional import Promise
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, pgettext_lazy
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from gateway.phrase import shown
from stats.models import VerificationReport

if TYPE_CHECKING:
    from stats.verification.shapes import Hour, Report, Route

KINDS = {"holds": "success", "does not hold": "danger", "not enough data": "warning"}
BASES = {
    "ids": pgettext_lazy("compared by", "ids"),
    "counts": pgettext_lazy("compared by", "counts"),
    "nothing": pgettext_lazy("compared by", "nothing"),
}
ROUTE_TITLES = (
    *(_("Route"), _("Queue path"), _("Collector")),
    *(_("Missing in queue path"), _("Missing in collector")),
)
HOUR_TITLES = (
    *(_("Hour (UTC)"), _("Mode"), _("Verdict"), pgettext_lazy("of a comparison", "Error"), *ROUTE_TITLES[1:]),
    _("Compared by"),
)
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
    empty_text = _(
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
        from stats.admin import readiness_page  # here: it loads numpy, and all processes load this

        return readiness_page.view(self, request)

    # --- columns -------------------------------------------------------------------------------------

    @display(description=_("From (UTC)"))
    def begin(self, row: VerificationReport) -> str:
        return text.utc(row.since)

    @display(description=_("To (UTC)"))
    def end(self, row: VerificationReport) -> str:
        return text.utc(row.until)

    @display(description=_("Verdict"))
    def verdict_shown(self, row: VerificationReport) -> SafeString:
        return text.label(row.get_verdict_display(), KINDS.get(row.verdict, ""))

    @display(description=pgettext_lazy("of a comparison", "Error"))
    def error_shown(self, row: VerificationReport) -> str:
        return "-" if row.error is None else f"{row.error:.3%}"

    @display(description=_("Requests compared"))
    def compared_shown(self, row: VerificationReport) -> str:
        return text.count(row.compared)

    @display(description=_("Made (UTC)"))
    def made(self, row: VerificationReport) -> str:
        return text.utc(row.made_at)

    # --- detail --------------------------------------------------------------------------------------

    @display(description=_("Look at this first"))
    def findings(self, row: VerificationReport) -> str:
        report = _report(row)
        if report is None:
            return gettext("This report was made by another version.")
        lines = ((text.whole(finding),) for finding in _findings(report))
        return format_html_join("", "<div>{}</div>", lines) or gettext("Nothing.")

    @display(description=_("Routes that differ most"))
    def routes(self, row: VerificationReport) -> str:
        rows = [_route(found) for found in _part(row, "routes")]
        return _table(ROUTE_TITLES, rows, gettext("Every route is counted alike."))

    @display(description=_("Hours"))
    def hours(self, row: VerificationReport) -> str:
        rows = [_hour(found) for found in _part(row, "hours")]
        return _table(HOUR_TITLES, rows, gettext("No hour could be compared."))

    @display(description=_("Missing in the queue path"))
    def missing_in_queue(self, row: VerificationReport) -> str:
        report = _report(row)
        if report is None or not report.missing_in_queue:
            return "-"
        return text.block("\n".join([_explanation(report), *_first(report.missing_in_queue)]))

    @display(description=_("Missing in the collector"))
    def missing_in_collector(self, row: VerificationReport) -> str:
        report = _report(row)
        return text.block("\n".join(_first(report.missing_in_collector))) if report else "-"

    @display(description=_("The queue path by itself"))
    def inside(self, row: VerificationReport) -> str:
        report = _report(row)
        if report is None:
            return "-"
        inside = report.inside
        told = gettext(
            "%(rows)s rows, %(duplicates)s duplicates,"
            " %(mismatches)s hours whose statistics differ from their rows, %(gaps)s gaps,"
            " %(dead_letters)s dead letters, %(waiting)s events wait to be replayed"
        )
        return told % {
            "rows": text.count(inside.rows),
            "duplicates": text.count(inside.duplicates),
            "mismatches": text.count(len(inside.mismatches)),
            "gaps": text.count(len(inside.gaps)),
            "dead_letters": text.count(inside.dead_letters),
            "waiting": text.count(inside.fallback_waiting),
        }


def _report(row: VerificationReport) -> Report | None:
    from stats.verification.kept import load  # likewise

    try:
        return load(row)
    except msgspec.ValidationError:
        return None


def _part(row: VerificationReport, name: str) -> list[Any]:
    report = _report(row)
    return getattr(report, name) if report else []


def _findings(report: Report) -> list[str]:
    """They are kept in English; what they were made of gives them again, to be shown in any language."""
    from stats.verification.findings import findings  # likewise

    made = {str(found): found for found in findings(report.hours, report.routes, report.inside)}
    return [shown(made.get(kept, kept)) for kept in report.findings]


def _explanation(report: Report) -> str:
    """Where those are that are missing in the queue path."""
    from stats.verification.shapes import DEAD, NOWHERE, WAITING  # likewise

    told = gettext("of these: %(waiting)s waiting to be replayed, %(dead)s dead letters, %(nowhere)s nowhere")
    places = {"waiting": WAITING, "dead": DEAD, "nowhere": NOWHERE}
    return told % {name: text.count(report.explained.get(place, 0)) for name, place in places.items()}


def _first(ids: list[str]) -> list[str]:
    more = len(ids) - IDS_SHOWN
    told = [gettext("and %(count)s more") % {"count": text.count(more)}] if more > 0 else []
    return [*ids[:IDS_SHOWN], *told]


def _route(row: Route) -> list[object]:
    numbers = (row.queue, row.collector, row.missing_in_queue, row.missing_in_collector)
    return [text.one_line(row.route), *(f"{number:,}" for number in numbers)]


def _hour(row: Hour) -> list[object]:
    numbers = (row.queue, row.collector, row.missing_in_queue, row.missing_in_collector)
    return [
        text.hour(row.hour),
        row.mode,
        text.label(VerificationReport.Verdict(row.verdict.value).label, KINDS[row.verdict.value]),
        f"{row.error:.3%}",
        *(f"{number:,}" for number in numbers),
        BASES[row.basis.value],
    ]


def _table(titles: tuple[Promise, ...], rows: list[list[object]], empty: str) -> str:
    if not rows:
        return empty
    return render_to_string("gateway/plain_table.html", {"titles": titles, "rows": rows})
