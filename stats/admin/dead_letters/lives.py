"""What became of a letter: its lives before and after this one, and who did what about it."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from gateway.admin import text
from stats.models import DeadLetter, Repair

LIVES = 20  # on either side
ENTRIES = 50
COLUMNS = ("id", "reason", "state", "last_failed_at", "earlier")


def of(letter: DeadLetter) -> list[list[Any]]:
    """The chain, oldest first, with this letter in it. Lives that retention has dropped are left out."""
    return [_row(one, letter) for one in [*_before(letter), letter, *_after(letter)]]


def _before(letter: DeadLetter) -> list[DeadLetter]:
    chain: list[DeadLetter] = []
    while letter.earlier_id is not None and len(chain) < LIVES:
        earlier = DeadLetter.objects.only(*COLUMNS).filter(pk=letter.earlier_id).first()
        if earlier is None:
            break
        letter = earlier
        chain.insert(0, letter)
    return chain


def _after(letter: DeadLetter) -> list[DeadLetter]:
    """A batch that was redriven whole may come back as several."""
    found: list[DeadLetter] = []
    youngest = [letter.pk]
    while youngest and len(found) < LIVES:
        children = DeadLetter.objects.only(*COLUMNS).filter(earlier__in=youngest).order_by("id")
        later = list(children[: LIVES - len(found)])
        found += later
        youngest = [one.pk for one in later]
    return found


def _row(one: DeadLetter, current: DeadLetter) -> list[Any]:
    number: str | SafeString = gettext("#%(number)d (this one)") % {"number": one.pk}
    if one.pk != current.pk:
        url = reverse("admin:stats_deadletter_change", args=[one.pk])
        number = format_html('<a class="text-link" href="{}">#{}</a>', url, one.pk)
    return [number, one.get_reason_display(), one.get_state_display(), text.utc(one.last_failed_at)]


def history(letter: DeadLetter) -> list[list[Any]]:
    """The admin log's entries, newest first, and the repair that settled it last."""
    entries = LogEntry.objects.filter(
        content_type=ContentType.objects.get_for_model(DeadLetter), object_id=str(letter.pk)
    ).select_related("user")
    rows: list[list[Any]] = [
        [text.utc(entry.action_time), text.whole(entry.user.get_username()), _message(entry)]
        for entry in entries.order_by("-pk")[:ENTRIES]
    ]
    repair = Repair.objects.filter(pk=letter.repair_id).first() if letter.repair_id else None
    return [*_repaired(repair), *rows]


def _repaired(repair: Repair | None) -> list[list[Any]]:
    if repair is None:
        return []
    url = reverse("admin:stats_repair_change", args=[repair.pk])
    link = format_html('<a class="text-link" href="{}">{}</a>', url, f"#{repair.pk}")
    what = format_html("{} {}: {}", gettext("Repair"), link, text.one_line(repair.note or repair.kind))
    return [[text.utc(repair.asked_at), text.whole(repair.by), what]]


def _message(entry: LogEntry) -> SafeString | str:
    message = entry.get_change_message()
    return text.block(message) if "\n" in message else text.whole(message)
