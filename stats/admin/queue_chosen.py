"""Which batches a page is about: as the list's address says, and as a person reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from gateway import queue
from gateway.queue import Selection
from stats.admin.queue_forms import SelectionForm

ENTERED = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
KINDS = {"new": _("new ones"), "failed": _("those that failed before"), "part": _("parts of others")}


def chosen(request: HttpRequest) -> Selection:
    """What the address says, as the list writes it. What enters the queue from now on is not meant.

    Raises BadRequest and django.db.Error.
    """
    form = SelectionForm({"ids": request.GET.get("ids", ""), "kind": request.GET.get("kind", "")})
    entered = request.GET.get("entered", "")
    if not form.is_valid():
        raise BadRequest(form.problem)
    if entered and entered not in ENTERED:
        raise BadRequest("entered: there is no such filter.")
    if form.selection.ids:
        return form.selection
    return replace(form.selection, before=queue.now() - ENTERED.get(entered, timedelta()))


def as_initial(selection: Selection) -> dict[str, Any]:
    """For the hidden fields of a form."""
    return {**selection.as_parameters(), "ids": ",".join(map(str, selection.ids))}


def in_words(form: SelectionForm) -> dict[str, Any]:
    """What is meant, in words and numbers; empty where the form can't say. Raises django.db.Error."""
    if not form.is_bound:
        form = SelectionForm(form.initial)
    form.is_valid()
    if form.problem:
        return {}
    selection = form.selection
    found = queue.survey(selection)
    more = "+" if found.is_capped else ""
    return {
        "ids": ", ".join(f"#{number}" for number in selection.ids),
        "kind": KINDS.get(selection.kind, ""),
        "before": selection.before and f"{selection.before:%Y-%m-%d %H:%M:%S}",
        "batches": f"{found.batches:,}{more}",
        "events": f"{found.events:,}{more}",
        "under_way": found.under_way,
    }


def named(selection: Selection) -> str:
    """For the admin log."""
    if selection.ids:
        return " ".join(f"#{number}" for number in selection.ids)
    return f"all that wait ({selection.kind or 'any kind'}, entered up to {selection.before})"
