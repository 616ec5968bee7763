"""Letters by reason and route: where to begin when there are many."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_lazy

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from stats import dead_letters
from stats.admin.dead_letters import bulk, rights
from stats.dead_letters import Group
from stats.dead_letters.grouping import CAP, GROUPS
from stats.models import DeadLetter

State = DeadLetter.State
SECONDS = 19  # characters of a time without its fraction: the table is to fit beside the sidebar
TABS = {
    State.DEAD: gettext_lazy("New"),
    State.REDRIVEN: gettext_lazy("Redriven"),
    State.DISCARDED: gettext_lazy("Discarded"),
}


class GroupViews(ReadOnlyAdmin):
    """One page of groups; those with most letters of the chosen state first."""

    list_before_template = "stats/letters/list_head.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.groups_view)
        return [path("groups/", view, name="stats_deadletter_groups"), *super().get_urls()]

    def groups_view(self, request: HttpRequest) -> HttpResponse:
        rights.demand(request, "groups")
        asked = request.GET.get("state", "")
        state = State(asked) if asked in State.values else State.DEAD
        after = (request.GET.get("reason", ""), request.GET.get("route", ""))
        if any("\x00" in part for part in after):
            after = ("", "")
        found = dead_letters.groups(state, after, limit=GROUPS + 1)
        shown = sorted(found[:GROUPS], key=lambda group: -getattr(group, state.value))
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Dead letters by reason and route"),
            "opts": self.opts,
            "media": self.media,
            "state": state.value,
            "tabs": [(one.value, title) for one, title in TABS.items()],
            "rows": [_row(group, state) for group in shown],
            "following": _following(found, state),
            "may_redrive": state is State.DEAD and rights.may(request, "redrive all"),
            "may_discard": state is State.DEAD and rights.may(request, "discard all"),
            "list": reverse("admin:stats_deadletter_changelist"),
        }
        return TemplateResponse(request, "stats/letters/groups.html", context)


def _row(group: Group, state: DeadLetter.State) -> dict[str, Any]:
    query = {"reason": group.reason, "route": group.route}
    return {
        "reason": text.label(group.reason, title=str(DeadLetter.Reason(group.reason).label)),
        "route": text.one_line(group.route) if group.route else gettext("can't be read"),
        "link": _list(group, state),
        "counts": [(TABS[one], _count(getattr(group, one.value)), _list(group, one)) for one in (*TABS,)],
        "first": text.utc(group.first_failed_at)[:SECONDS],
        "last": text.utc(group.last_failed_at)[:SECONDS],
        "redrive": bulk.address("redrive", query),
        "discard": bulk.address("discard", query),
    }


def _list(group: Group, state: DeadLetter.State) -> str:
    query = {"state__exact": state.value, "reason__exact": group.reason, "route": group.route}
    return f"{reverse('admin:stats_deadletter_changelist')}?{urlencode(query)}"


def _count(count: int) -> str:
    return f"{CAP:,}+" if count >= CAP else f"{count:,}"


def _following(found: list[Group], state: DeadLetter.State) -> str:
    """The address of the next page: it begins behind the last group of this one, however many come."""
    if len(found) <= GROUPS:
        return ""
    last = found[GROUPS - 1]
    return "?" + urlencode({"state": state.value, "reason": last.reason, "route": last.route})
