"""Run by `prepared`, in a process of its own: makes a VAR_DIR as a first start leaves it."""

from __future__ import annotations

import shutil

import django

django.setup()

from django.conf import settings  # noqa: E402

from gateway import embedded_postgres, startup  # noqa: E402
from gateway.embedded_postgres.files import Files  # noqa: E402
from gateway.models import ModeChange  # noqa: E402


def main() -> None:
    embedded_postgres.ensure_running(settings.VAR_DIR)
    startup.prepare(settings.VAR_DIR)
    # Each start notes the mode of its own settings.
    ModeChange.objects.all().delete()
    embedded_postgres.leave(settings.VAR_DIR)
    _forget_processes()


def _forget_processes() -> None:
    """What the processes said and held is no part of it."""
    files = Files.of(settings.VAR_DIR)
    for path in (files.keeper_lock, files.users_lock, files.keeper_log, files.server_log):
        path.unlink(missing_ok=True)
    shutil.rmtree(settings.VAR_DIR / "metrics")


if __name__ == "__main__":
    main()
