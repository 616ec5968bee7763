"""What a rule may say, and what it means where it says nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator

from django.utils.translation import gettext as _

from stats.alerts.measures import KINDS, figure

CLEARS_AT = 0.8  # of the bound
MAX_STARS = 10  # each makes a pattern slower to try

Problem = tuple[str, str]  # the field, and what is wrong with it


def derived_clears_at(measure: str, bound: float) -> float:
    """Where a rule clears that does not say: a whole number below the bound where values are whole."""
    if not KINDS[measure].is_whole:
        return CLEARS_AT * bound
    return float(min(math.floor(CLEARS_AT * bound), math.ceil(bound) - 1))


def problems(measure: str, route: str, bound: float, clears_at: float) -> Iterator[Problem]:
    """What can't be of a rule, field by field."""
    kind = KINDS[measure]
    if not (math.isfinite(bound) and bound > 0):
        yield "bound", _("Must be more than 0.")
    elif kind.most is not None and bound > kind.most:
        yield "bound", _("Can't be more than %(most)s.") % {"most": figure(measure, kind.most)}
    elif not math.isfinite(clears_at) or clears_at < 0:
        yield "clears_at", _("Must be 0 or more.")
    elif clears_at >= bound:
        text = _("Must be less than the bound, %(bound)s: else it would fire and clear at once.")
        yield "clears_at", text % {"bound": figure(measure, bound)}
    if route and not kind.is_of_traffic:
        yield "route", _("This measure is of no route: leave it empty.")
    elif route.count("*") > MAX_STARS:
        yield "route", _("More than %(most)d stars.") % {"most": MAX_STARS}
