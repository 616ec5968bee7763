"""The page of the gate before the next phase of the cutover."""

from __future__ import annotations

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gateway.admin import text
from gateway.phrase import shown
from stats.readiness import Condition, State, readiness

STATES = {
    State.PASS: (_("pass"), "success"),
    State.FAIL: (_("fail"), "danger"),
    State.UNKNOWN: (_("not enough data"), "warning"),
}
TITLES = (_("Condition"), _("State"), _("Figure"), _("Bound"), _("What to do"))


def view(admin: ModelAdmin, request: HttpRequest) -> TemplateResponse:
    """What `manage.py readiness` says."""
    found = readiness()
    context = {
        **admin.admin_site.each_context(request),
        "title": gettext("Readiness"),
        "opts": admin.opts,
        "media": admin.media,
        "is_open": found.is_open,
        "at": text.utc(found.at),
        "titles": TITLES,
        "rows": [_row(condition) for condition in found.conditions],
    }
    return TemplateResponse(request, "gateway/readiness.html", context)


def _row(condition: Condition) -> list[str]:
    return [
        shown(condition.name),
        text.label(*STATES[condition.state]),
        shown(condition.figure),
        shown(condition.bound),
        "" if condition.state is State.PASS else shown(condition.advice),
    ]
