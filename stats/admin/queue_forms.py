"""What people say when they do something to the queue: to which batches, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from gateway import queue
from gateway.conf import conf
from gateway.queue import Selection

NOTE = 500  # characters
AT_ONCE = 50  # batches: a page of the list
MAX_ID = 2**63 - 1


def note_field() -> forms.CharField:
    widget = UnfoldAdminTextareaWidget(attrs={"rows": 2, "autocomplete": "off"})
    return forms.CharField(label=_("Why"), max_length=NOTE, widget=widget)


class PauseForm(forms.Form):
    note = note_field()


class SelectionForm(forms.Form):
    """To which batches. Hidden: it was chosen before, on the list."""

    ids = forms.CharField(required=False, max_length=AT_ONCE * 20, widget=forms.HiddenInput)
    kind = forms.CharField(required=False, max_length=10, widget=forms.HiddenInput)
    before = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput)

    def clean_ids(self) -> tuple[int, ...]:
        words = self.cleaned_data["ids"].replace(",", " ").split()
        if not all(map(is_id, words)):
            raise forms.ValidationError(_("Not all of these are numbers of batches."))
        if len(words) > AT_ONCE:
            raise forms.ValidationError(_("More than %(most)s at once."), params={"most": AT_ONCE})
        return tuple(sorted({int(word) for word in words}))

    def clean_kind(self) -> str:
        kind: str = self.cleaned_data["kind"]
        if kind and kind not in queue.KINDS:
            raise forms.ValidationError(_("There is no such kind of batch."))
        return kind

    def clean_before(self) -> datetime | None:
        if not self.cleaned_data["before"]:
            return None
        try:
            before = datetime.fromisoformat(self.cleaned_data["before"])
        except ValueError:
            raise forms.ValidationError(_("This is no time.")) from None
        if before.tzinfo is None:
            raise forms.ValidationError(_("This time has no zone."))
        return before

    @property
    def selection(self) -> Selection:
        """Of a valid form; of one that is not, as far as it is."""
        found = self.cleaned_data
        return Selection(found.get("ids", ()), found.get("kind", ""), found.get("before"))

    @property
    def problem(self) -> str:
        """What is wrong with what is hidden."""
        hidden = (*self.errors.get("ids", ()), *self.errors.get("kind", ()), *self.errors.get("before", ()))
        return " ".join(hidden)


class MoveForm(SelectionForm):
    note = note_field()

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        if not self.problem and not (found["ids"] or found["before"]):
            # Without an end it would go on as long as anything enters the queue.
            self.add_error("before", _("Neither batches nor a time are named."))
        return found


class PurgeForm(MoveForm):
    word = forms.CharField(
        label=_("The name of the queue"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["word"].help_text = gettext("To confirm, type: %(word)s") % {"word": conf.queue.name}

    def clean_word(self) -> str:
        if self.cleaned_data["word"] != conf.queue.name:
            raise forms.ValidationError(_("Not purged: this is not the name of the queue."))
        return conf.queue.name


def is_id(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) < 20 and 0 < int(word) <= MAX_ID
