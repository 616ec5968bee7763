"""The buttons of a letter's page, and the actions of the list."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy
from unfold.decorators import action

from gateway import queue
from gateway.admin.readonly import ReadOnlyAdmin
from stats import dead_letters
from stats.admin.dead_letters import bulk, rights, verbs
from stats.models import DeadLetter

State = DeadLetter.State


class Settling(ReadOnlyAdmin):
    """Redrive, discard, and either undone."""

    actions = ("redrive_selected", "discard_selected", "undo_redrive_selected", "undo_discard_selected")
    change_form_outer_before_template = "stats/letters/actions.html"

    def has_redrive_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        return rights.may(request, "redrive selected")

    def has_discard_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        return rights.may(request, "discard selected")

    @action(description=gettext_lazy("Redrive: put back into the queue"), permissions=["redrive"])
    def redrive_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> HttpResponse | None:
        return self._settle_selected(request, letters, verbs.REDRIVE)

    @action(description=gettext_lazy("Discard: set aside for good"), permissions=["discard"])
    def discard_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> HttpResponse | None:
        return self._settle_selected(request, letters, verbs.DISCARD)

    @action(description=gettext_lazy("Undo the redrive of the last minute"), permissions=["redrive"])
    def undo_redrive_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        verbs.carry_out(request, verbs.UNDO_REDRIVE, letters)

    @action(description=gettext_lazy("Undo the discard of the last minute"), permissions=["discard"])
    def undo_discard_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        verbs.carry_out(request, verbs.UNDO_DISCARD, letters)

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """All that match are no selection: what undoes them is their repair, not a list of ids."""
        verb = request.POST.get("action", "")
        if request.POST.get("select_across") == "1" and verb.startswith("undo_"):
            messages.warning(request, gettext_lazy("All at once are undone on the page of their repair."))
            return redirect("admin:stats_repair_changelist")
        return super().response_action(request, queryset)

    def _settle_selected(
        self, request: HttpRequest, letters: QuerySet[DeadLetter], verb: verbs.Verb
    ) -> HttpResponse | None:
        if request.POST.get("select_across") == "1":
            return redirect(bulk.address(verb.right, bulk.query_of_list(request)))
        if verb is not verbs.DISCARD or len(request.POST.getlist(ACTION_CHECKBOX_NAME)) == 1:
            verbs.carry_out(request, verb, letters)
            return None
        form = bulk.NoteForm(request.POST if "note" in request.POST else None, is_required=True)
        if form.is_valid():
            verbs.carry_out(request, verb, letters, form.cleaned_data["note"])
            return None
        return bulk.confirm_selected(self, request, letters, form)

    # --- the letter's page ---------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.settle_view)
        own = path("<int:object_id>/settle/", view, name="stats_deadletter_settle")
        return [own, *super().get_urls()]

    def settle_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The detail page's buttons. POST only: a link would let any page redrive in a user's name."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        verb = verbs.VERBS.get(request.POST.get("verb", ""))
        if verb is None:
            return HttpResponseBadRequest(f"verb: must be one of {', '.join(verbs.VERBS)}")
        rights.demand(request, verb.right)
        letter = get_object_or_404(DeadLetter.objects.only("pk"), pk=object_id)
        form = bulk.NoteForm(request.POST)
        if form.is_valid():
            note = form.cleaned_data["note"] if verb is verbs.DISCARD else ""
            verbs.carry_out(request, verb, DeadLetter.objects.filter(pk=letter.pk), note)
        else:
            messages.error(request, str(form.errors["note"][0]))
        return redirect("admin:stats_deadletter_change", letter.pk)

    def detail_context(self, request: HttpRequest) -> dict[str, Any]:
        names = ("redrive", "discard", "edit", "undo redrive", "undo discard", "deliver now")
        may = {name.replace(" ", "_"): rights.may(request, name) for name in names}
        return {**super().detail_context(request), "may": may}

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, obj: Any = None, **kwargs: Any
    ) -> HttpResponse:
        waits = queue.due_in(obj.batch) if obj.state == State.REDRIVEN and obj.batch else None
        context |= {
            "waits": waits is not None,
            "waits_seconds": None if waits is None else round(waits),
            "just_discarded": obj.state == State.DISCARDED and dead_letters.may_undo_discard(obj),
            "note_form": bulk.NoteForm(),
        }
        return super().render_change_form(request, context, *args, obj=obj, **kwargs)
