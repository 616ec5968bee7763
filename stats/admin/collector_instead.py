"""The collector's counts in place of the hourly statistics, for whom the read path says so."""

from __future__ import annotations

import logging

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from legacy_collector.database import CollectorRefused, reading
from legacy_collector.models import CollectedHourly
from stats import read_from

logger = logging.getLogger(__name__)

QUEUE_PATH = "?p=1"  # with a query the queue path's list is meant
CHOSEN = _("Answered by the legacy collector, as the read path says for you.")
EMPTY = _("Answered by the legacy collector, since the queue path has counted nothing.")


def if_chosen(request: HttpRequest) -> HttpResponse | None:
    """Leads to the collector's list if that is to answer this user, and can."""
    reader = read_from.of_user(request.user.get_username())
    if request.GET or read_from.in_force().source_of(reader) == "queue":
        return None
    return _led(request, CHOSEN)


def if_empty(request: HttpRequest) -> HttpResponse | None:
    """The same where the queue path has nothing."""
    return None if request.GET else _led(request, EMPTY)


def _led(request: HttpRequest, why: Promise) -> HttpResponse | None:
    if not (request.user.has_perm("legacy_collector.view_collectedhourly") and _has_counts()):
        return None
    here = reverse("admin:stats_pathstatshourly_changelist") + QUEUE_PATH
    link = format_html(
        '<a class="tg-link" href="{}">{}</a>', here, gettext("The queue path's hourly statistics")
    )
    messages.info(request, format_html("{} {}", why, link))
    return HttpResponseRedirect(reverse("admin:legacy_collector_collectedhourly_changelist"))


def _has_counts() -> bool:
    try:
        with reading() as connection:
            return CollectedHourly.objects.using(connection.alias).exists()
    except CollectorRefused as refusal:
        logger.warning("The legacy collector can't be asked: %s", refusal)
        return False
