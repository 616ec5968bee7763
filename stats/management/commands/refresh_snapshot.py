"""`manage.py refresh_snapshot`: the last 24 hours, made anew for whoever reads them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from gateway.checks import TAG
from stats import snapshot
from stats.reports import ReportTimedOut


class Command(BaseCommand):
    """Exit code 0 when it was made, or another process is making it; 1 when the database refused."""

    help = "Makes the snapshot of the last 24 hours anew. Several at once do no harm: one of them makes it."
    requires_system_checks = (TAG,)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            is_made = snapshot.refresh()
        except (Error, OSError, ReportTimedOut) as error:
            raise CommandError(f"snapshot not refreshed: {' '.join(str(error).split())}") from None
        self.stdout.write("Snapshot refreshed" if is_made else "Another process is refreshing the snapshot")
