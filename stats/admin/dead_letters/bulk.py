"""All letters that match a filter, redriven or discarded in the background; and several, with one note."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from gateway.admin import search, text
from gateway.admin.paginator import CAP, CappedCount
from gateway.admin.readonly import ReadOnlyAdmin
from gateway.admin.search import SearchError
from stats import letter_repairs, repairs
from stats.admin.dead_letters import rights
from stats.dead_letters import Filter
from stats.models import DeadLetter

MAX_ID = 2**63 - 1
MAX_NOTE = 2_000  # characters
TIME_DIGITS = 13  # with which an id begins
BEHIND_DIGITS = ":"  # ids are compared by their bytes
TITLES = {
    "redrive": gettext_lazy("Redrive all that match"),
    "discard": gettext_lazy("Discard all that match"),
}


class NoteForm(forms.Form):
    """Why; of many at once it has to be said."""

    note = forms.CharField(
        label=gettext_lazy("Note"),
        max_length=MAX_NOTE,
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, is_required: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_required:
            self.fields["note"].required = True
            self.fields["note"].error_messages["required"] = gettext_lazy("Say why they are discarded.")


# --- which -------------------------------------------------------------------------------------------


def query_of_list(request: HttpRequest) -> dict[str, str]:
    """What the list was narrowed to, as the query of the page that does it with all of them."""
    names = {
        "reason__exact": "reason",
        "reason": "reason",
        "route": "route",
        "q": "q",
        "state__exact": "state",
    }
    return {mine: request.GET[name] for name, mine in names.items() if name in request.GET}


def chosen(query: Mapping[str, str]) -> Filter:
    """Raises SearchError, which says what of the query is wrong."""
    reason, route, state = query.get("reason", ""), query.get("route"), query.get("state", "")
    if reason and reason not in DeadLetter.Reason.values:
        choices = ", ".join(DeadLetter.Reason.values)
        raise SearchError(gettext("reason: must be one of %(choices)s.") % {"choices": choices})
    if state not in ("", DeadLetter.State.DEAD):
        raise SearchError(gettext("state: only letters that are dead can be redriven or discarded."))
    if any("\x00" in value for value in query.values()):
        raise SearchError(gettext("No letter holds a NUL character."))
    found = of_term(query.get("q", ""))
    return Filter(reason, route, found.number, found.ids, found.id_prefix)


def of_term(term: str) -> Filter:
    """What was typed into the search box. Raises SearchError."""
    term = term.strip()
    if term.startswith("#"):
        return Filter(number=_number(term[1:]))
    query = search.parse(term)
    if query.text:
        raise SearchError(gettext("Dead letters can be searched by number, event id or time only."))
    period = query.period
    if period is None:
        return Filter()
    end = f"{period.end:013d}" if period.end < 10**TIME_DIGITS else BEHIND_DIGITS
    prefix = query.id_prefix if len(query.id_prefix) > TIME_DIGITS else ""
    return Filter(ids=(f"{period.start:013d}", end), id_prefix=prefix)


def _number(digits: str) -> int:
    if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and int(digits) <= MAX_ID):
        raise SearchError(gettext("#%(number)s is no number of a dead letter.") % {"number": digits})
    return int(digits)


def address(verb: str, query: Mapping[str, str]) -> str:
    """The page that asks whether all of them are meant."""
    return f"{reverse('admin:stats_deadletter_all', args=[verb])}?{urlencode(query)}"


# --- the pages ---------------------------------------------------------------------------------------


class BulkViews(ReadOnlyAdmin):
    """Asks first, with how many that is, then has it done beside the worker."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.all_view)
        own = path("all/<slug:verb>/", view, name="stats_deadletter_all")
        return [own, *super().get_urls()]

    def all_view(self, request: HttpRequest, verb: str) -> HttpResponse:
        """The filter is in the address: what it finds when it is carried out is meant, not what is shown."""
        if verb not in TITLES:
            raise Http404
        rights.demand(request, f"{verb} all")
        form = NoteForm(request.POST or None, is_required=verb == "discard")
        try:
            found = chosen(request.GET.dict())
        except SearchError as error:
            return _page(self, request, TITLES[verb], status=400, problem=str(error))
        if request.method == "POST" and form.is_valid():
            parameters = letter_repairs.parameters(found)
            by = request.user.get_username()
            repair = repairs.ask(verb, parameters, by=by, note=form.cleaned_data["note"])
            return redirect("admin:stats_repair_change", repair.pk)
        dead = DeadLetter.objects.filter(state=DeadLetter.State.DEAD)
        return _page(
            self,
            request,
            TITLES[verb],
            form=form,
            verb=verb,
            count=_capped(found.apply(dead)),
            conditions=_conditions(request),
        )


def confirm_selected(
    page: ReadOnlyAdmin, request: HttpRequest, letters: QuerySet[DeadLetter], form: NoteForm
) -> HttpResponse:
    """For the list's action: the same request again, with the note that it lacked."""
    selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
    hidden = [
        ("action", "discard_selected"),
        ("index", "0"),
        *((ACTION_CHECKBOX_NAME, number) for number in selected),
    ]
    title = gettext_lazy("Discard the selected letters")
    return _page(page, request, title, form=form, verb="discard", count=len(selected), hidden=hidden)


def _page(
    page: ReadOnlyAdmin, request: HttpRequest, title: Any, *, status: int = 200, **context: Any
) -> TemplateResponse:
    count = context.get("count", 0)
    context |= {
        "count_shown": str(count) if isinstance(count, CappedCount) else text.count(count),
        **page.admin_site.each_context(request),
        "title": title,
        "opts": page.opts,
        "media": page.media,
        "back": reverse("admin:stats_deadletter_changelist"),
    }
    return TemplateResponse(request, "stats/letters/confirm.html", context, status=status)


def _capped(letters: QuerySet[DeadLetter]) -> int:
    found = letters.order_by()[: CAP + 1].count()
    return CappedCount(CAP) if found > CAP else found


def _conditions(request: HttpRequest) -> list[tuple[Any, str]]:
    """The filter in words."""
    titles = {"reason": gettext("Reason"), "route": gettext("Route"), "q": gettext("Search")}
    none = gettext("can't be read")
    return [
        (title, text.whole(request.GET[name]) if request.GET[name] else none)
        for name, title in titles.items()
        if name in request.GET and (request.GET[name] or name == "route")
    ]
