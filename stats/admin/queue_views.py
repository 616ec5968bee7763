"""The addresses behind the buttons of the queue's pages, and the pages that ask before something is done."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from gateway.conf import conf
from gateway.models import QueuedBatch
from stats import queue_repairs, repairs
from stats.admin import queue_actions
from stats.admin.actions import acting, may
from stats.admin.band import band
from stats.admin.queue_chosen import as_initial, chosen, in_words
from stats.admin.queue_forms import MoveForm, PauseForm, PurgeForm, SelectionForm, is_id
from stats.models import Repair

LIST = "admin:gateway_queuedbatch_changelist"
TITLES = {"move": _("Move to the dead letters"), "purge": _("Purge the queue")}


class Views:
    """Each address that acts is in `actions.ACTIONS`."""

    def __init__(self, model_admin: ModelAdmin[QueuedBatch]) -> None:
        self.model_admin = model_admin

    def urls(self) -> list[URLPattern]:
        return [self._url(f"{view.__name__}/", view) for view in self._all()]

    def _all(self) -> tuple[Callable[..., HttpResponse], ...]:
        asking = (self.moving, self.purging)
        return *asking, self.pause, self.resume, self.deliver, self.move, self.purge, self.recover

    def _url(self, address: str, view: Callable[..., HttpResponse]) -> URLPattern:
        guarded = self.model_admin.admin_site.admin_view(view)
        return path(address, guarded, name=f"gateway_queuedbatch_{view.__name__}")

    # --- what acts -----------------------------------------------------------------------------------

    @acting("pause")
    def pause(self, request: HttpRequest) -> HttpResponse:
        form = PauseForm(request.POST)
        if form.is_valid():
            queue_actions.pause(request, form.cleaned_data["note"])
        for name, errors in form.errors.items():
            messages.error(request, f"{form.fields[name].label}: {' '.join(map(str, errors))}")
        return redirect(LIST)

    @acting("resume")
    def resume(self, request: HttpRequest) -> HttpResponse:
        queue_actions.resume(request)
        return redirect(LIST)

    @acting("deliver")
    def deliver(self, request: HttpRequest) -> HttpResponse:
        form = SelectionForm(request.POST)
        if not form.is_valid() or not form.selection.ids:
            raise BadRequest(form.problem or gettext("No batch is named."))
        queue_actions.deliver(request, form.selection)
        return redirect(LIST)

    @acting("move")
    def move(self, request: HttpRequest) -> HttpResponse:
        form = MoveForm(request.POST)
        if not form.is_valid():
            return self._page(request, "move", form)
        if not form.selection.ids:
            return _ask(request, queue_repairs.MOVE, form)
        queue_actions.move(request, form.selection, form.cleaned_data["note"])
        return redirect(LIST)

    @acting("purge")
    def purge(self, request: HttpRequest) -> HttpResponse:
        form = PurgeForm(request.POST)
        if not form.is_valid():
            return self._page(request, "purge", form)
        return _ask(request, queue_repairs.PURGE, form)

    @acting("recover")
    def recover(self, request: HttpRequest) -> HttpResponse:
        """What a purge has discarded goes back into the queue."""
        number = request.POST.get("repair", "")
        if not is_id(number):
            raise BadRequest("repair: this is no number of a purge.")
        purge = get_object_or_404(Repair, pk=int(number), kind=queue_repairs.PURGE)
        repair = repairs.ask(queue_repairs.RECOVER, {"repair": purge.pk}, request.user.get_username())
        return redirect("admin:stats_repair_change", repair.pk)

    # --- what asks -----------------------------------------------------------------------------------

    def moving(self, request: HttpRequest) -> HttpResponse:
        return self._asking(request, "move", MoveForm)

    def purging(self, request: HttpRequest) -> HttpResponse:
        return self._asking(request, "purge", PurgeForm)

    def _asking(self, request: HttpRequest, action: str, form: type[MoveForm]) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET"])
        if not may(request, action):
            raise PermissionDenied
        return self._page(request, action, form(initial=as_initial(chosen(request))))

    def _page(self, request: HttpRequest, action: str, form: MoveForm) -> HttpResponse:
        context = {
            **self.model_admin.admin_site.each_context(request),
            "title": TITLES[action],
            "opts": self.model_admin.opts,
            "media": self.model_admin.media,
            "notice": band(request),
            "form": form,
            "chosen": in_words(form),
            "queue": conf.queue.name,
        }
        return TemplateResponse(request, f"stats/queue/{action}.html", context)


def _ask(request: HttpRequest, kind: str, form: MoveForm) -> HttpResponse:
    """In the background: it may be all of a large queue."""
    parameters = form.selection.as_parameters()
    repair = repairs.ask(kind, parameters, request.user.get_username(), form.cleaned_data["note"])
    return redirect("admin:stats_repair_change", repair.pk)
