"""What a person does to the queue and its consumer: done, written down, and told, or else why not.

What is done and its entry in the admin log commit together.
"""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.db import Error, transaction
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext

from gateway import queue
from gateway.conf import conf
from gateway.models import QueuedBatch
from gateway.queue import Selection
from stats import pausing, withdrawing
from stats.admin.actions import write_down
from stats.admin.queue_chosen import named
from stats.errors import one_line
from stats.models import ConsumerHeartbeat
from stats.withdrawing import Withdrawn


def pause(request: HttpRequest, note: str) -> None:
    by = request.user.get_username()
    if _turned(request, lambda: pausing.pause(by, note), f"Paused the consumer: {note}"):
        messages.success(request, gettext("The consumer rests once it has ended what is in its hands."))


def resume(request: HttpRequest) -> None:
    by = request.user.get_username()
    if _turned(request, lambda: pausing.resume(by), "Resumed the consumer"):
        messages.success(request, gettext("The consumer goes on."))


def _turned(request: HttpRequest, turn: Callable[[], bool], written: str) -> bool:
    """Whether it changed something."""
    try:
        with transaction.atomic(using=conf.database):
            has_changed = turn()
            if has_changed:
                write_down(request, ConsumerHeartbeat, written)
    except Error as error:
        messages.error(request, gettext("Nothing changed: %(error)s") % {"error": one_line(error)})
        return False
    if not has_changed:
        messages.info(request, gettext("Nothing to do: somebody was faster."))
    return has_changed


def deliver(request: HttpRequest, selection: Selection) -> None:
    """Has those that wait delivered now."""
    try:
        with transaction.atomic(using=conf.database):
            count = queue.deliver_now(selection)
            if count:
                write_down(request, QueuedBatch, f"Delivered now: {count:,} of {named(selection)}")
    except Error as error:
        messages.error(request, gettext("Nothing changed: %(error)s") % {"error": one_line(error)})
        return
    _tell_delivered(request, count, max(0, len(selection.ids) - count))


def _tell_delivered(request: HttpRequest, count: int, others: int) -> None:
    if count:
        told = ngettext("%(count)s batch is due now.", "%(count)s batches are due now.", count)
        messages.success(request, told % {"count": f"{count:,}"})
    if others:
        told = ngettext(
            "%(count)s left as it is: due already, in a consumer's hands, or counted meanwhile.",
            "%(count)s left as they are: due already, in a consumer's hands, or counted meanwhile.",
            others,
        )
        messages.warning(request, told % {"count": f"{others:,}"})


def move(request: HttpRequest, selection: Selection, note: str) -> None:
    """A page's worth: at once, and so without any process beside this one, which may be what is wrong."""
    try:
        with transaction.atomic(using=conf.database):
            moved = withdrawing.withdraw(selection, withdrawing.MOVED, request.user.get_username(), note)
            what = f"{moved.letters:,} events, {moved.batches:,} of {named(selection)}"
            if moved.batches:
                write_down(request, QueuedBatch, f"Moved to the dead letters: {what}: {note}")
    except Error as error:
        messages.error(request, gettext("Nothing changed: %(error)s") % {"error": one_line(error)})
        return
    _tell_moved(request, moved, len(selection.ids) - moved.batches)


def _tell_moved(request: HttpRequest, moved: Withdrawn, others: int) -> None:
    if moved.batches:
        told = gettext("Moved to the dead letters: batches %(batches)s, events %(letters)s.")
        counts = {"batches": f"{moved.batches:,}", "letters": f"{moved.letters:,}"}
        messages.success(request, told % counts)
    if others > 0:
        told = ngettext(
            "%(count)s left as it is: in a consumer's hands, or counted meanwhile.",
            "%(count)s left as they are: in a consumer's hands, or counted meanwhile.",
            others,
        )
        messages.warning(request, told % {"count": f"{others:,}"})
