"""Checks of what is captured: the middleware, what it excludes, and whom it believes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, register

from gateway.checks.reading import TAG, error, is_list, warning
from gateway.networks import parse_networks

MIDDLEWARE = "gateway.middleware.TrafficMiddleware"
NETWORKS = ("TRUSTED_PROXIES", "METRICS_ALLOWED_NETWORKS", "ALERT_WEBHOOK_ALLOWED_NETWORKS")


@register(TAG)
def check_capture(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E021, E022, W001, W002."""
    problems = [error(21, text) for setting in NETWORKS for text in _bad_networks(setting)]
    problems += [error(22, f"TRAFFIC_EXCLUDE: {text}") for text in _bad_exclusions()]
    middleware = getattr(settings, "MIDDLEWARE", ())
    middleware = list(middleware) if is_list(middleware) else []
    if MIDDLEWARE not in middleware:
        problems.append(warning(1, f"MIDDLEWARE: {MIDDLEWARE} is missing, so nothing is counted"))
    elif middleware[0] != MIDDLEWARE:
        text = f"MIDDLEWARE: {MIDDLEWARE} is not the first, so what {middleware[0]} answers isn't counted"
        problems.append(warning(2, text))
    return problems


def _bad_networks(setting: str) -> Iterator[str]:
    entries = getattr(settings, setting, ())
    if not is_list(entries):
        yield f"{setting}: {entries!r} is no list of networks"
        return
    for entry in entries:
        if not isinstance(entry, str):
            yield f"{setting}: {entry!r} is no text"
            continue
        try:
            parse_networks((entry,), setting)
        except ValueError as error:
            yield str(error)


def _bad_exclusions() -> Iterator[str]:
    entries = getattr(settings, "TRAFFIC_EXCLUDE", ())
    if not is_list(entries):
        yield f"{entries!r} is no list of prefixes and patterns"
        return
    for entry in entries:
        if not isinstance(entry, str) or not entry.startswith(("/", "re:")):
            yield f"{entry!r} begins neither with a slash nor with `re:`"
            continue
        try:
            re.compile(entry.removeprefix("re:") if entry.startswith("re:") else "")
        except (re.error, RecursionError, OverflowError) as error:
            yield f"{entry!r} is no pattern: {error}"
