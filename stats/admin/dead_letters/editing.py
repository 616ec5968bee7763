"""The form in which a payload is mended."""

from __future__ import annotations

import msgspec
from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext, gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from gateway.conf import conf
from stats import dead_letters
from stats.admin.dead_letters import rights, verbs
from stats.dead_letters import MAX_LENGTH, ChangedMeanwhile, InvalidPayload, NotDead
from stats.models import DeadLetter

MAX_ERROR = 1_000  # characters that stand above the form


class PayloadForm(forms.Form):
    """Whether it is valid is said by what the consumer goes by, once it is saved."""

    payload = forms.CharField(
        label=gettext_lazy("Payload"),
        max_length=MAX_LENGTH,
        strip=False,
        help_text=gettext_lazy("JSON. The event's id and time stay as they were received."),
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": 24, "spellcheck": "false", "autocapitalize": "off", "class": "tg-editor"}
        ),
    )
    version = forms.CharField(max_length=16, widget=forms.HiddenInput)


class EditingViews(ReadOnlyAdmin):
    """Saved, or saved and redriven."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.edit_view)
        return [path("<int:object_id>/edit/", view, name="stats_deadletter_edit"), *super().get_urls()]

    def edit_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        is_redriven = "redrive" in request.POST
        rights.demand(request, "edit and redrive" if is_redriven else "edit")
        letter = get_object_or_404(DeadLetter, pk=object_id)
        if letter.state != DeadLetter.State.DEAD or len(letter.payload) > MAX_LENGTH:
            messages.warning(request, _why_not(letter))
            return redirect("admin:stats_deadletter_change", letter.pk)
        if request.method != "POST":
            initial = {"payload": _shown(letter.payload), "version": dead_letters.version_of(letter.payload)}
            return self._form_page(request, letter, PayloadForm(initial=initial))
        form = PayloadForm(request.POST)
        if not form.is_valid() or not _save(request, letter, form):
            return self._form_page(request, letter, form)
        if is_redriven:
            verbs.carry_out(request, verbs.REDRIVE, DeadLetter.objects.filter(pk=letter.pk))
        return redirect("admin:stats_deadletter_change", letter.pk)

    def _form_page(self, request: HttpRequest, letter: DeadLetter, form: PayloadForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": gettext("Edit dead letter #%(number)d") % {"number": letter.pk},
            "opts": self.opts,
            "media": self.media,
            "letter": letter,
            "shown_error": text.whole(letter.error[:MAX_ERROR]),
            "form": form,
            "may_redrive": rights.may(request, "edit and redrive"),
        }
        return TemplateResponse(request, "stats/letters/edit.html", context)


def _save(request: HttpRequest, letter: DeadLetter, form: PayloadForm) -> bool:
    """Whether it could be saved; what is wrong is said at the field."""
    payload, version = form.cleaned_data["payload"], form.cleaned_data["version"]
    try:
        with transaction.atomic(using=conf.database):
            edited = dead_letters.edit(letter.pk, payload, version)
            if edited.diff:
                verbs.write_down(request, [edited.letter], f"Payload edited:\n{edited.diff}")
    except InvalidPayload as error:
        form.add_error("payload", str(error))
    except ChangedMeanwhile:
        form.add_error("payload", gettext("Somebody else has changed it meanwhile: open the page anew."))
    except NotDead:
        form.add_error("payload", gettext("It has been redriven or discarded meanwhile."))
    except DeadLetter.DoesNotExist:
        raise PermissionDenied from None
    else:
        if edited.diff:
            messages.success(request, gettext("Payload changed; the one received is kept."))
        else:
            messages.info(request, gettext("The payload says the same as before."))
        return True
    return False


def _shown(payload: str) -> str:
    try:
        return msgspec.json.format(payload, indent=2)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return payload


def _why_not(letter: DeadLetter) -> str:
    if letter.state != DeadLetter.State.DEAD:
        return gettext("Only a letter that is dead can be edited.")
    return gettext("Its payload is too large to be edited here.")
