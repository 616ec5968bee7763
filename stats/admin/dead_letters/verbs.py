"""What can be done with letters at once: the call, the states it is about, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import Error, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext, ngettext_lazy

from gateway.conf import conf
from stats import dead_letters
from stats.models import DeadLetter

State = DeadLetter.State
Letters = QuerySet[DeadLetter]


@dataclass(frozen=True)
class Verb:
    """`right` is the row of `rights.NEEDED`. `done` is the state a letter is in afterwards."""

    right: str
    do: Callable[[Letters, str, str], object]  # letters, by whom, note
    before: State
    done: State
    written: str  # for the admin log
    told: Any  # with their count, in its plural
    refused: Any  # likewise, of those that were left as they were


def _redrive(letters: Letters, by: str, note: str) -> object:
    return dead_letters.redrive(letters, by, dead_letters.UNDO_SECONDS)


def _undo(letters: Letters, by: str, note: str) -> object:
    return dead_letters.undo(letters, by)


def _hasten(letters: Letters, by: str, note: str) -> object:
    return dead_letters.hasten(letters)


_SETTLED = ngettext_lazy(
    "%(count)d left unchanged: redriven or discarded before.",
    "%(count)d left unchanged: redriven or discarded before.",
    "count",
)

REDRIVE = Verb(
    right="redrive",
    do=_redrive,
    before=State.DEAD,
    done=State.REDRIVEN,
    written="Put back into the queue.",
    told=ngettext_lazy(
        "%(count)d dead letter put back into the queue. It is delivered in a minute; until then, an undo"
        " takes it out again.",
        "%(count)d dead letters put back into the queue. They are delivered in a minute; until then, an undo"
        " takes them out again.",
        "count",
    ),
    refused=_SETTLED,
)
DISCARD = Verb(
    right="discard",
    do=dead_letters.discard,
    before=State.DEAD,
    done=State.DISCARDED,
    written="Discarded.",
    told=ngettext_lazy("%(count)d dead letter discarded.", "%(count)d dead letters discarded.", "count"),
    refused=_SETTLED,
)
UNDO_REDRIVE = Verb(
    right="undo redrive",
    do=_undo,
    before=State.REDRIVEN,
    done=State.DEAD,
    written="Redrive undone: taken out of the queue.",
    told=ngettext_lazy(
        "%(count)d dead letter taken out of the queue again.",
        "%(count)d dead letters taken out of the queue again.",
        "count",
    ),
    refused=ngettext_lazy(
        "%(count)d can't be undone: it was delivered already.",
        "%(count)d can't be undone: they were delivered already.",
        "count",
    ),
)
UNDO_DISCARD = Verb(
    right="undo discard",
    do=_undo,
    before=State.DISCARDED,
    done=State.DEAD,
    written="Discard undone.",
    told=ngettext_lazy(
        "%(count)d dead letter is no longer discarded.",
        "%(count)d dead letters are no longer discarded.",
        "count",
    ),
    refused=ngettext_lazy(
        "%(count)d can't be undone: it was discarded more than a minute ago.",
        "%(count)d can't be undone: they were discarded more than a minute ago.",
        "count",
    ),
)
DELIVER = Verb(
    right="deliver now",
    do=_hasten,
    before=State.REDRIVEN,
    done=State.REDRIVEN,
    written="Delivered without waiting for an undo.",
    told=ngettext_lazy("%(count)d is delivered now.", "%(count)d are delivered now.", "count"),
    refused=ngettext_lazy("%(count)d was delivered before.", "%(count)d were delivered before.", "count"),
)
VERBS = {verb.right: verb for verb in (REDRIVE, DISCARD, UNDO_REDRIVE, UNDO_DISCARD, DELIVER)}


def carry_out(request: HttpRequest, verb: Verb, letters: Letters, note: str = "") -> None:
    """Does it with those of `letters` that are in the state for it, writes it down, and tells the person."""
    chosen = list(letters.values_list("pk", flat=True))
    try:
        with transaction.atomic(using=conf.database):
            changed = _do(request, verb, letters, note)
    except Error as error:
        reason = " ".join(str(error).split())
        messages.error(request, gettext("Nothing was changed: %(reason)s") % {"reason": reason})
        return
    _tell(request, verb, changed, len(chosen) - changed)


def _do(request: HttpRequest, verb: Verb, letters: Letters, note: str) -> int:
    """How many it changed. What is done and its entries in the admin log commit together."""
    # Locked, so that of two people who do the same at once only one is told, and written down, to have.
    found = letters.filter(state=verb.before).order_by("pk").select_for_update()
    candidates = list(found.values_list("pk", flat=True))
    by = request.user.get_username()
    result = verb.do(letters.filter(pk__in=candidates), by, note)
    if verb is DELIVER:
        changed = DeadLetter.objects.filter(pk__in=candidates if result else [])
    else:
        changed = DeadLetter.objects.filter(pk__in=candidates, state=verb.done)
    changed = changed.only("pk", "reason")
    write_down(request, changed, f"{verb.written} Note: {note}" if note else verb.written)
    return len(changed)


def write_down(request: HttpRequest, letters: Iterable[DeadLetter], message: str) -> None:
    """An entry in the history of each letter; in one language, whoever's page it was."""
    with translation.override(None):
        LogEntry.objects.log_actions(
            user_id=str(request.user.pk),
            queryset=list(letters),
            action_flag=CHANGE,
            change_message=message,
        )


def _tell(request: HttpRequest, verb: Verb, changed: int, others: int) -> None:
    if changed:
        messages.success(request, verb.told % {"count": changed})
    if others:
        messages.warning(request, verb.refused % {"count": others})
