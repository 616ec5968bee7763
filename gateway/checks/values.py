"""Checks of single values: numbers, switches, words, dotted paths, and the folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, register
from django.utils.module_loading import import_string

from gateway.checks.reading import TAG, error, is_list, is_number, read, warning
from gateway.conf import ESTIMATORS, JOURNAL_MODES, MODES, conf

MISSING = object()

# Seconds, unless it says something else. The defaults stand in `conf` and need no check.
RANGES: dict[str, tuple[type, float, float]] = {
    "TRAFFIC_LINGER": (float, 0, 60),
    "TRAFFIC_BUFFER_EVENTS": (int, 1, 10_000_000),
    "TRAFFIC_SEND_TIMEOUT": (float, 0.05, 60),
    "TRAFFIC_EXIT_TIMEOUT": (float, 0, 600),
    "LEGACY_MAX_EVENTS": (int, 1, 1_000_000_000),
    "TRAFFIC_JOURNAL_BYTES": (int, 1_000_000, 10**13),  # each process has half a megabyte from the start
    "TRAFFIC_JOURNAL_DAYS": (float, 0, 36_500),
    "TRAFFIC_STALE_SECONDS": (float, 1, 3600),
    "TRAFFIC_LEASE": (float, 0.1, 3600),
    "TRAFFIC_RETRY_DELAY": (float, 0.01, 3600),
    "TRAFFIC_DRAIN_SECONDS": (float, 0.1, 3600),
    "TRAFFIC_TRANSACTION_EVENTS": (int, 1, 10_000),
    "TRAFFIC_WORKER_NICE": (int, 0, 19),
    "LOGIN_TRIES": (int, 1, 1_000),
    "LOGIN_LONGEST_WAIT": (float, 1, 86_400),
    "EXPORT_ROWS": (int, 1, 100_000_000),
    "EXPORT_SECONDS": (float, 1, 3600),
    "STATS_SAMPLE_RATE": (float, 1e-6, 1),
    "STATS_ROUTES_PER_HOUR": (int, 1, 1_000_000),
    "STATS_ROUTES_PER_DAY": (int, 1, 1_000_000),
}
SWITCHES = (
    *("TRAFFIC_ENABLED", "TRAFFIC_LOG_EVENTS", "TEST_ENDPOINT"),
    *("STATS_NORMALIZE_IDS", "STATS_GROUP_NOT_FOUND", "ARCHIVE_EVENTS", "STATS_REPLAY_LEGACY"),
)


@register(TAG)
def check_values(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E020, E023, E024, E026 to E028, W003."""
    return [*_bad_numbers(), *_bad_words(), *_bad_paths()]


def _bad_numbers() -> Iterator[CheckMessage]:
    for name, (kind, least, most) in RANGES.items():
        value: Any = getattr(settings, name, MISSING)
        if value is not MISSING and not (is_number(value, kind) and least <= value <= most):
            what = "a whole number" if kind is int else "a number of seconds"
            yield error(23, f"{name}: {value!r} is not {what} from {least:g} to {most:g}")


def _bad_words() -> Iterator[CheckMessage]:
    if conf.mode not in MODES:
        yield error(20, f"STATS_MODE: {conf.mode!r} is none of {', '.join(MODES)}")
    if conf.estimator not in ESTIMATORS:
        yield error(30, f"STATS_ESTIMATOR: {conf.estimator!r} is none of {', '.join(ESTIMATORS)}")
    if conf.journal not in JOURNAL_MODES:
        yield error(29, f"TRAFFIC_JOURNAL: {conf.journal!r} is none of {', '.join(JOURNAL_MODES)}")
    for name in SWITCHES:
        value = getattr(settings, name, True)
        if not isinstance(value, bool):
            yield error(24, f"{name}: {value!r} is neither True nor False")
    headers = getattr(settings, "TRAFFIC_EDGE_ID_HEADERS", ())
    if not is_list(headers) or not all(
        isinstance(header, str) and re.fullmatch(r"[A-Za-z0-9-]+", header) for header in headers
    ):
        yield error(27, f"TRAFFIC_EDGE_ID_HEADERS: {headers!r} is no list of header names")
    key = getattr(settings, "CLIENT_HASH_KEY", None)
    if key == "":
        text = "CLIENT_HASH_KEY: empty, so addresses can be worked out from their hashes"
        yield warning(3, text, "Leave it unset: a key is then made and kept under VAR_DIR.")
    elif not (key is None or isinstance(key, str)):
        yield error(28, f"CLIENT_HASH_KEY: a {type(key).__name__}, not text")


def _bad_paths() -> Iterator[CheckMessage]:
    value = getattr(settings, "READINESS_CHECKS", MISSING)
    if value is MISSING or is_list(value):
        named = [("READINESS_CHECKS", path) for path in conf.readiness_checks]
    else:
        named = []
        yield error(26, f"READINESS_CHECKS: {value!r} is no list of dotted paths")
    for setting, path in [("TRAFFIC_COLLECTOR", conf.collector), *named]:
        try:
            import_string(path)
        except Exception as failure:  # noqa: BLE001 - another module's import may fail in any way
            yield error(26, f"{setting}: {path!r} can't be imported: {failure}")


@register(TAG)
def check_var_dir(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E025."""
    folder = read(lambda: conf.var_dir.absolute())
    if folder is None:
        return [error(25, f"VAR_DIR: {getattr(settings, 'VAR_DIR', None)!r} is no path")]
    existing = _first_existing(folder)
    if existing is None or not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        return [error(25, f"VAR_DIR: {str(folder)!r} can't be written (nor made)")]
    return []


def _first_existing(folder: Path) -> Path | None:
    """The folder, or the nearest of its parents that is there: it is made when first used."""
    if "\0" in str(folder):
        return None
    try:
        return next((path for path in (folder, *folder.parents) if path.exists()), None)
    except (OSError, ValueError):
        return None
