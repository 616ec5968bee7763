"""Which hours a verification is to compare."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

FORMAT = "%Y-%m-%dT%H:%M"


def _hour_field(label: Any) -> forms.DateTimeField:
    widget = forms.DateTimeInput(
        format=FORMAT, attrs={"type": "datetime-local", "step": 3600, "class": "tg-input"}
    )
    return forms.DateTimeField(label=label, required=False, widget=widget)


class HoursForm(forms.Form):
    """Whole hours (UTC); none for the day before."""

    since = _hour_field(_("From (UTC)"))
    until = _hour_field(_("To (UTC)"))

    def clean_since(self) -> datetime | None:
        return _whole_hour(self.cleaned_data["since"])

    def clean_until(self) -> datetime | None:
        return _whole_hour(self.cleaned_data["until"])

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        since, until = found.get("since"), found.get("until")
        if self.errors:
            return found
        if bool(since) != bool(until):
            self.add_error("until" if since else "since", _("Both, or neither for the day before."))
        elif since and until and since >= until:
            self.add_error("until", _("Not after the beginning."))
        elif since and since >= datetime.now(UTC):
            self.add_error("since", _("Not over yet."))
        return found

    @property
    def arguments(self) -> list[str]:
        """For `verify_counts`; of a valid form."""
        since, until = self.cleaned_data["since"], self.cleaned_data["until"]
        if not since:
            return []
        return ["--since", f"{since:{FORMAT}}", "--until", f"{until:{FORMAT}}"]


def _whole_hour(moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    moment = moment.astimezone(UTC)
    if moment.minute or moment.second or moment.microsecond:
        raise forms.ValidationError(_("Whole hours only, such as 2026-01-31 14:00."))
    return moment
