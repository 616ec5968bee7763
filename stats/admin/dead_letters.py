"""Admin page of dead letters, and the two things a person can do about them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.db import Error
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import action, display

from gateway.admin import search, text
from gateway.admin.export import ExportAdmin
from gateway.admin.search import SearchError
from stats import dead_letters
from stats.models import DeadLetter

BADGE_CAP = 99
MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class Verb:
    """What can be done: the call, the state it leads to, and how it is told."""

    do: Callable[[QuerySet[DeadLetter], str], int]
    state: DeadLetter.State
    told: str


VERBS = {
    "redrive": Verb(dead_letters.redrive, DeadLetter.State.REDRIVEN, "put back into the queue"),
    "discard": Verb(dead_letters.discard, DeadLetter.State.DISCARDED, "discarded"),
}
STATE_KINDS = {"dead": "danger", "redriven": "success", "discarded": ""}


def badge(request: HttpRequest) -> str:
    """How many are dead, for the sidebar; empty for none."""
    found = DeadLetter.objects.filter(state=DeadLetter.State.DEAD)[: BADGE_CAP + 1].count()
    return f"{BADGE_CAP}+" if found > BADGE_CAP else str(found or "")


@admin.register(DeadLetter)
class DeadLetterAdmin(ExportAdmin):
    """What could not be counted, newest first."""

    list_display = ("number", "last_failure", "reason_label", "state_shown", "event", "tries", "error_cut")
    list_filter = ("state", "reason")
    list_deferred: ClassVar = ("payload", "traceback")
    fields = (
        "number",
        "state_shown",
        "settled",
        "reason_shown",
        "event_link",
        "tries",
        "first_failure",
        "last_failure",
        "error_shown",
        "payload_shown",
        "traceback_shown",
    )
    export_columns = (
        *("id", "state", "reason", "event_id", "deliveries", "first_failed_at", "last_failed_at"),
        *("settled_at", "settled_by", "error", "payload"),
    )
    actions = ("redrive_selected", "discard_selected")
    change_form_outer_before_template = "gateway/dead_letter_actions.html"
    keeps_history = True
    search_fields = ("pk",)
    search_help_text = "Number, event id or time (UTC)"
    search_examples = (
        ("#12", "The dead letter with this number."),
        ("1763900000000-5d29ab01", "An event's id, or how it begins."),
        ("2025-11-23 12:13", "The event's day, hour, minute or second (UTC)."),
    )
    empty_text = "No dead letters: everything that was received could be counted."

    def search(self, rows: QuerySet[Any], term: str) -> QuerySet[Any]:
        if term.startswith("#"):
            return rows.filter(pk=_number(term[1:]))
        query = search.parse(term)
        if query.text:
            raise SearchError("Dead letters can be searched by number, event id or time only.")
        return rows.filter(query.on_ids("event_id"))

    # --- what can be done --------------------------------------------------------------------------

    def has_settle_permission(self, request: HttpRequest, obj: DeadLetter | None = None) -> bool:
        """The page is read-only for everybody; this is about the two actions."""
        return bool(request.user.has_perm("stats.change_deadletter"))

    @action(description="Redrive: put back into the queue", permissions=["settle"])
    def redrive_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        self._settle(request, letters, VERBS["redrive"])

    @action(description="Discard: set aside for good", permissions=["settle"])
    def discard_selected(self, request: HttpRequest, letters: QuerySet[DeadLetter]) -> None:
        self._settle(request, letters, VERBS["discard"])

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.settle_view)
        own = path("<int:object_id>/settle/", view, name="stats_deadletter_settle")
        return [own, *super().get_urls()]

    def settle_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """The detail page's buttons. POST only: a link would let any page redrive in a user's name."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.has_settle_permission(request):
            raise PermissionDenied
        verb = VERBS.get(request.POST.get("verb", ""))
        if verb is None:
            return HttpResponseBadRequest("verb: must be redrive or discard")
        letter = get_object_or_404(DeadLetter, pk=object_id)
        self._settle(request, DeadLetter.objects.filter(pk=letter.pk), verb)
        return redirect("admin:stats_deadletter_change", letter.pk)

    def detail_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().detail_context(request), "may_settle": self.has_settle_permission(request)}

    def _settle(self, request: HttpRequest, letters: QuerySet[DeadLetter], verb: Verb) -> None:
        by = request.user.get_username()
        states = dict(letters.values_list("pk", "state"))
        dead = [pk for pk, state in states.items() if state == DeadLetter.State.DEAD]
        try:
            count = verb.do(letters, by)
        except Error as error:
            self.message_user(request, f"Not all could be {verb.told}: {error}", messages.ERROR)
        else:
            _tell(request, verb, count, len(states) - count)
        _audit(request, DeadLetter.objects.filter(pk__in=dead, state=verb.state, settled_by=by), verb)

    # --- columns and fields ------------------------------------------------------------------------

    @display(description="Letter")
    def number(self, letter: DeadLetter) -> str:
        return f"#{letter.pk}"

    @display(description="First failure (UTC)")
    def first_failure(self, letter: DeadLetter) -> str:
        return text.utc(letter.first_failed_at)

    @display(description="Last failure (UTC)")
    def last_failure(self, letter: DeadLetter) -> str:
        return text.utc(letter.last_failed_at)

    @display(description="Reason")
    def reason_label(self, letter: DeadLetter) -> SafeString:
        return text.label(letter.reason, title=str(letter.get_reason_display()))

    @display(description="Reason")
    def reason_shown(self, letter: DeadLetter) -> str:
        return str(letter.get_reason_display())

    @display(description="State")
    def state_shown(self, letter: DeadLetter) -> SafeString:
        return text.label(letter.get_state_display(), STATE_KINDS.get(letter.state, ""))

    @display(description="Settled")
    def settled(self, letter: DeadLetter) -> str:
        if letter.settled_at is None:
            return "-"
        return f"{text.utc(letter.settled_at)} UTC by {text.whole(letter.settled_by)}"

    @display(description="Event")
    def event(self, letter: DeadLetter) -> str:
        return text.code(letter.event_id or "")

    @display(description="Event")
    def event_link(self, letter: DeadLetter) -> str:
        if not letter.event_id:
            return "Its id can't be read."
        url = reverse("admin:stats_event_changelist")
        return format_html(
            '<span class="tg-code">{}</span> (<a class="text-link" href="{}?q={}">was it counted?</a>)',
            letter.event_id,
            url,
            letter.event_id,
        )

    @display(description="Deliveries")
    def tries(self, letter: DeadLetter) -> str:
        return text.count(letter.deliveries)

    @display(description="Error")
    def error_cut(self, letter: DeadLetter) -> str:
        return text.one_line(letter.error)

    @display(description="Error")
    def error_shown(self, letter: DeadLetter) -> str:
        return text.block(letter.error)

    @display(description="Payload, as received")
    def payload_shown(self, letter: DeadLetter) -> str:
        return text.json_block(letter.payload)

    @display(description="Traceback")
    def traceback_shown(self, letter: DeadLetter) -> str:
        return text.block(letter.traceback)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= MAX_ID):
        raise SearchError(f"#{text} is no number of a dead letter.")
    return int(text)


def _tell(request: HttpRequest, verb: Verb, count: int, others: int) -> None:
    letters = "dead letter" if count == 1 else "dead letters"
    if count:
        messages.success(request, f"{count:,} {letters} {verb.told}.")
    if others:
        messages.warning(request, f"{others:,} left unchanged: redriven or discarded before.")


def _audit(request: HttpRequest, letters: QuerySet[DeadLetter], verb: Verb) -> None:
    """An entry in the history of each letter."""
    LogEntry.objects.log_actions(
        user_id=str(request.user.pk),
        queryset=letters.only("pk", "reason"),
        action_flag=CHANGE,
        change_message=f"{verb.told[0].upper()}{verb.told[1:]}.",
    )
