"""Every read query of the dashboard and the API. Rollups answer; events only where it says so.

    period = Range.last("24h", zone="Europe/Berlin")
    overview(period)                              # figures, and those of the period before
    overview(period, method="POST")               # from the events: as far as they are kept
    timeseries(period, "hour", route=None)        # minute (from the events), hour, day
    routes(period, sort="p95", search="/api", status_class="5xx", limit=20, offset=0)
    route("/api/items/{id}", period)
    notable("/api/items/{id}", period)            # its slowest events and its errors
    top_values("user_agent", period, limit=10)    # client, user_agent, country, method, status
    events(period, route=None, path_prefix="", status_class=None, method=None, client=None,
           cursor=None, limit=50)
    recent(minutes, "/api/*"), expected(minutes, "/api/*")    # what alerts go by

Where the legacy collector can answer, too (overview, series, routes, a route), `reader` says for whom it is
asked, and the read path which of them does (`stats.read_from`).

All raise InvalidFilter (a ValueError with `field`), ReportTimedOut, django.db.Error for a database that
is away, and CollectorRefused where the collector was to answer. docs/reading.md says how figures are made and
what they are worth.
"""

from __future__ import annotations

from stats.reports.errors import InvalidFilter, ReportTimedOut
from stats.reports.events import events
from stats.reports.notable import notable
from stats.reports.overview import overview
from stats.reports.period import Range
from stats.reports.recent import expected, recent
from stats.reports.route import route
from stats.reports.routes import routes
from stats.reports.timeseries import timeseries
from stats.reports.top_values import top_values

__all__ = [
    "InvalidFilter",
    "Range",
    "ReportTimedOut",
    "events",
    "expected",
    "notable",
    "overview",
    "recent",
    "route",
    "routes",
    "timeseries",
    "top_values",
]
