"""The band on the pages of the queue while a person has the consumer rest."""

from __future__ import annotations

from django.db import Error
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from gateway.admin import text
from gateway.admin.readonly import ReadOnlyAdmin
from stats import pausing
from stats.admin.actions import may


class QueuePage(ReadOnlyAdmin):
    """A page of the queue: a pause, which somebody may have forgotten, is seen on each of them."""

    class Media:
        css = {"all": ["stats/queue.css"]}

    def notice(self, request: HttpRequest) -> SafeString | str:
        return band(request)


def band(request: HttpRequest) -> SafeString | str:
    """Who paused the consumer, since when and why, with a button to resume; empty while it is not paused."""
    try:
        pause = pausing.pause_in_force()
    except Error:
        return ""  # the page itself says that the database can't be asked
    if pause is None:
        return ""
    context = {
        "since": text.utc(pause.at)[:19],
        "by": text.whole(pause.by),
        "note": text.whole(pause.note) if pause.note else "",
        "may_resume": may(request, "resume"),
    }
    return render_to_string("stats/queue/band.html", context, request=request)
