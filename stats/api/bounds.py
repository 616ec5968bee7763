"""A bound on the time that an endpoint may spend on its reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import connections

from gateway.conf import conf
from gateway.deadline import deadline

# Statements have a time-out of their own, which the server keeps; this one holds where the server hangs.
SECONDS = 15.0


def within_deadline(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Cuts the database's connection off if the endpoint takes longer: it then answers 503."""

    @wraps(endpoint)
    def bounded(*args: Any, **kwargs: Any) -> Any:
        with deadline(connections[conf.database], SECONDS):
            return endpoint(*args, **kwargs)

    return bounded
