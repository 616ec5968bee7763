"""What is shown of a dead letter, in the list and on its page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy
from unfold.decorators import display

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from stats.admin.dead_letters import lives
from stats.admin.json_tree import tree
from stats.models import DeadLetter

STATE_KINDS = {"dead": "danger", "redriven": "success", "discarded": ""}


class LetterColumns(ReadOnlyAdmin):
    """Each value as it may be shown: escaped, and in the list cut."""

    list_display = (
        "number",
        "last_failure",
        "reason_label",
        "state_shown",
        "route_cut",
        "event",
        "error_cut",
    )
    list_deferred = ("payload", "original", "traceback")
    fields = (
        *("number", "state_shown", "settled", "note_shown", "reason_shown", "route_shown", "event_link"),
        *("tries", "first_failure", "last_failure", "error_shown", "payload_shown", "original_shown"),
        *("traceback_shown", "lives_shown", "history_shown"),
    )

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without what this letter has none of."""
        if obj is None:
            return self.fields
        empty = {
            "settled": not obj.settled_at,
            "note_shown": not obj.note,
            "original_shown": not obj.original,
            "traceback_shown": not obj.traceback,
        }
        return [name for name in self.fields if not empty.get(name)]

    @display(description=gettext_lazy("Letter"))
    def number(self, letter: DeadLetter) -> str:
        return f"#{letter.pk}"

    @display(description=gettext_lazy("First failure (UTC)"))
    def first_failure(self, letter: DeadLetter) -> str:
        return text.utc(letter.first_failed_at)

    @display(description=gettext_lazy("Last failure (UTC)"))
    def last_failure(self, letter: DeadLetter) -> str:
        return text.utc(letter.last_failed_at)

    @display(description=gettext_lazy("Reason"))
    def reason_label(self, letter: DeadLetter) -> SafeString:
        return text.label(letter.reason, title=str(letter.get_reason_display()))

    @display(description=gettext_lazy("Reason"))
    def reason_shown(self, letter: DeadLetter) -> str:
        return str(letter.get_reason_display())

    @display(description=gettext_lazy("State"))
    def state_shown(self, letter: DeadLetter) -> SafeString:
        return text.label(letter.get_state_display(), STATE_KINDS.get(letter.state, ""))

    @display(description=gettext_lazy("Settled"))
    def settled(self, letter: DeadLetter) -> str:
        at, by = text.utc(letter.settled_at), text.whole(letter.settled_by)
        return gettext("%(at)s UTC by %(by)s") % {"at": at, "by": by}

    @display(description=gettext_lazy("Note"))
    def note_shown(self, letter: DeadLetter) -> str:
        return text.whole(letter.note)

    @display(description=gettext_lazy("Route"))
    def route_cut(self, letter: DeadLetter) -> str:
        return text.one_line(letter.route)

    @display(description=gettext_lazy("Route"))
    def route_shown(self, letter: DeadLetter) -> str:
        return text.whole(letter.route)

    @display(description=gettext_lazy("Event"))
    def event(self, letter: DeadLetter) -> str:
        return text.code(letter.event_id or "")

    @display(description=gettext_lazy("Event"))
    def event_link(self, letter: DeadLetter) -> str:
        if not letter.event_id:
            return gettext("Its id can't be read.")
        return format_html(
            '<span class="tg-code">{}</span> (<a class="text-link" href="{}?q={}">{}</a>)',
            letter.event_id,
            reverse("admin:stats_event_changelist"),
            letter.event_id,
            gettext("was it counted?"),
        )

    @display(description=gettext_lazy("Deliveries"))
    def tries(self, letter: DeadLetter) -> str:
        return text.count(letter.deliveries)

    @display(description=gettext_lazy("Error"))
    def error_cut(self, letter: DeadLetter) -> str:
        return text.one_line(letter.error)

    @display(description=gettext_lazy("Error"))
    def error_shown(self, letter: DeadLetter) -> str:
        return text.block(letter.error)

    @display(description=gettext_lazy("Payload"))
    def payload_shown(self, letter: DeadLetter) -> str:
        return _payload(letter.payload)

    @display(description=gettext_lazy("As received, before it was edited"))
    def original_shown(self, letter: DeadLetter) -> str:
        return _payload(letter.original)

    @display(description=gettext_lazy("Traceback"))
    def traceback_shown(self, letter: DeadLetter) -> str:
        return text.block(letter.traceback)

    @display(description=gettext_lazy("Lives"))
    def lives_shown(self, letter: DeadLetter) -> str:
        found = lives.of(letter)
        if len(found) == 1:
            return gettext("This is its first life, and it has not come back.")
        return _table(
            (gettext("Letter"), gettext("Reason"), gettext("State"), gettext("Failed (UTC)")), found
        )

    @display(description=gettext_lazy("History"))
    def history_shown(self, letter: DeadLetter) -> str:
        found = lives.history(letter)
        if not found:
            return gettext("Nobody has done anything about it.")
        return _table((gettext("Time (UTC)"), gettext("Who"), gettext("What")), found)


def _payload(payload: str) -> SafeString:
    return format_html(
        '{}<details class="tg-raw"><summary>{}</summary>{}</details>',
        tree(payload),
        gettext("As text"),
        text.json_block(payload),
    )


def _table(titles: tuple[str, ...], rows: list[list[Any]]) -> SafeString:
    table = render_to_string("gateway/plain_table.html", {"titles": titles, "rows": rows})
    return format_html('<div class="tg-wrapping">{}</div>', table)
