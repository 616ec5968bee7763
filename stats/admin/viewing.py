"""What the pages of traffic share: who looks, at which range, and what is said where nothing can be read."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from django.db import Error
from django.http import HttpRequest
from django.utils.translation import gettext, pgettext_lazy

from gateway.phrase import shown
from legacy_collector.database import CollectorRefused
from stats.dashboard.choice import RANGES, Choice
from stats.errors import one_line
from stats.reports import InvalidFilter, ReportTimedOut

logger = logging.getLogger(__name__)

ZONE_COOKIE = "tallygate_zone"  # the page's script says which zone the viewer's clock has
FIELDS = {"start": pgettext_lazy("of a range", "start"), "end": pgettext_lazy("of a range", "end")}
T = TypeVar("T")


def choice_of(request: HttpRequest) -> Choice:
    """What the address asks for, in the viewer's zone."""
    zone = request.COOKIES.get(ZONE_COOKIE, "UTC")
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        zone = "UTC"
    return Choice.of(request.GET, zone)


def controls(choice: Choice) -> dict[str, Any]:
    """For `stats/dashboard/controls.html`."""
    return {
        "choice": choice,
        "ranges": [(name, title, choice.url(last=name, start="", end="")) for name, title in RANGES.items()],
        "comparing": choice.url(is_compared=not choice.is_compared),
    }


def read(make: Callable[[], T]) -> tuple[T | None, str]:
    """What `make` reads, or else what is said in its place. Never raises what a report does."""
    try:
        return make(), ""
    except InvalidFilter as error:
        return None, f"{FIELDS.get(error.field, error.field)}: {shown(error.reason)}"
    except (Error, OSError, ReportTimedOut, CollectorRefused) as error:
        logger.warning("Page of traffic: %s", one_line(error))
        return None, gettext("The statistics can't be read at the moment.")
