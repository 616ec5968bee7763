"""Counts of the past that were brought in from elsewhere."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _


class ImportedHourly(models.Model):
    """A route's requests in one hour (UTC), as a legacy collector had counted them.

    It counts only for an hour of which the queue path has nothing: no row in `TotalsHourly`, and none that
    was dropped since (`superseded_at`).
    """

    route = models.TextField(db_collation="C")
    hour = models.DateTimeField()
    requests = models.BigIntegerField()
    errors = models.BigIntegerField(help_text=_("Requests with a status of 400 or more."))
    source = models.TextField(help_text=_("`collector`, or the name of the file."))
    imported_at = models.DateTimeField(db_default=Now(), help_text=_("When it was last written."))
    superseded_at = models.DateTimeField(
        null=True, help_text=_("When the queue path's own rows of this hour were dropped.")
    )

    class Meta:
        verbose_name = _("imported hour")
        verbose_name_plural = _("imported hours")
        constraints = [
            models.UniqueConstraint(fields=["route", "hour"], name="importedhourly_route_hour"),
        ]
        indexes = [
            # the admin's list and every report over a range, as of the hourly statistics.
            models.Index(fields=["-hour"], include=["route"], name="importedhourly_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.hour:%Y-%m-%d %H}:00"
