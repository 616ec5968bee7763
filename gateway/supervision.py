"""Services run with their database: where it is the embedded one, it is revived, and left in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from django.conf import settings

from gateway import embedded_postgres
from gateway.conf import conf
from gateway.supervisor import Service, Supervisor, end_orphans

REVIVE_SECONDS = 1.0  # between two looks whether the embedded server's keeper lives


def is_embedded() -> bool:
    return bool(getattr(settings, "EMBEDDED_POSTGRES", False))


def run(services: Sequence[Service], tick: Callable[[], None] = lambda: None) -> int:
    """Runs the services until a signal, or until one is hopeless; the supervisor's exit code.

    Nothing that was started is left behind, but for an embedded server that others use.
    """
    if not is_embedded():
        try:
            return Supervisor(services, tick).run()
        finally:
            end_orphans(tuple)
    keeper = _Keeper()

    def tick_both() -> None:
        tick()
        keeper.tick()

    try:
        return Supervisor(services, tick_both, _keepers).run()
    finally:
        end_orphans(_keepers)
        embedded_postgres.leave(conf.var_dir)
        end_orphans(_keepers)


class _Keeper:
    """Brings the embedded server's keeper back when that one was killed."""

    def __init__(self) -> None:
        self._next_look = 0.0

    def tick(self) -> None:
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + REVIVE_SECONDS
            embedded_postgres.revive(conf.var_dir)


def _keepers() -> tuple[int | None, ...]:
    """Adopted, maybe, but not ours to end: others may be using them; the keeper goes when nobody does."""
    return embedded_postgres.keeper_pid(conf.var_dir), embedded_postgres.server_pid(conf.var_dir)
