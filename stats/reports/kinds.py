"""Which rows of a list of routes are no route."""

from __future__ import annotations

from gateway.routes import NOT_FOUND
from stats.reports.shapes import RouteKind
from stats.route_cap import OTHER


def kind_of(route: str) -> RouteKind:
    if route == OTHER:
        return "other"
    return "not_found" if route == NOT_FOUND else "route"
