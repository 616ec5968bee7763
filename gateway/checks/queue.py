"""Checks of `TRAFFIC_QUEUE`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, register

from gateway.checks.reading import TAG, error, is_number
from gateway.conf import conf
from gateway.queue_settings import QUEUE_DEFAULTS

# Of whole numbers; what no one could mean is out of range.
QUEUE_RANGES = {"max_batch_size": (1, 10_000), "max_retries": (0, 100), "max_concurrency": (1, 1_000)}


@register(TAG)
def check_queue(app_configs: Any = None, **kwargs: Any) -> list[CheckMessage]:
    """E001 to E004."""
    queue = getattr(settings, "TRAFFIC_QUEUE", {})
    if not isinstance(queue, Mapping):
        return [error(1, f"TRAFFIC_QUEUE: {queue!r} is no dictionary")]
    known = ", ".join(QUEUE_DEFAULTS)
    unknown = [key for key in queue if key not in QUEUE_DEFAULTS]
    problems = [error(1, f"TRAFFIC_QUEUE: unknown key {key!r} (known: {known})") for key in unknown]
    problems += [
        error(2, f"TRAFFIC_QUEUE: {text}") for text in _bad_queue_values({**QUEUE_DEFAULTS, **queue})
    ]
    if problems:
        return problems
    if conf.queue.max_concurrency != 1:
        text = f"TRAFFIC_QUEUE: max_concurrency is {conf.queue.max_concurrency}, only 1 can work"
        problems.append(error(3, text))
    linger = getattr(settings, "TRAFFIC_LINGER", 0)
    if is_number(linger) and linger > conf.queue.max_batch_timeout:
        bound = conf.queue.max_batch_timeout
        problems.append(error(4, f"TRAFFIC_LINGER: {linger} s is longer than max_batch_timeout ({bound} s)"))
    return problems


def _bad_queue_values(queue: Mapping[str, Any]) -> Iterator[str]:
    for key, (least, most) in QUEUE_RANGES.items():
        if not (is_number(queue[key], int) and least <= queue[key] <= most):
            yield f"{key} is {queue[key]!r}, not a whole number from {least} to {most}"
    timeout = queue["max_batch_timeout"]
    if not (is_number(timeout) and 0 < timeout <= 60):
        yield f"max_batch_timeout is {timeout!r}, not a number of seconds above 0, up to 60"
    for key in ("name", "dead_letter_queue"):
        if not (isinstance(queue[key], str) and queue[key].strip()):
            yield f"{key} is {queue[key]!r}, not a name"
