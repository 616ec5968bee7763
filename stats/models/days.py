"""Days: what may still arrive for one, and where its events are."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class TrafficDay(models.Model):
    """A day (UTC) for which events were stored.

    Every transaction that stores events of a day raises its `version` and so holds its row, which is how
    whoever seals, archives or rolls up a day learns that it has changed meanwhile.
    """

    day = models.DateField(primary_key=True)
    version = models.BigIntegerField(_("version"), db_default=1)
    last_arrival_at = models.DateTimeField(db_default=Now())
    rolled_version = models.BigIntegerField(db_default=0, help_text=_("What the daily rows were made of."))
    hours_dropped_at = models.DateTimeField(
        null=True, help_text=_("Since then only the daily rows are left.")
    )
    sealed_at = models.DateTimeField(null=True, help_text=_("Since then its events are dropped."))

    class Meta:
        verbose_name = pgettext_lazy("of traffic", "day")
        verbose_name_plural = pgettext_lazy("of traffic", "days")
        ordering = ["-day"]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}"

    @property
    def is_rolled_up(self) -> bool:
        """Whether the daily rows hold all that the hourly ones do."""
        return self.rolled_version == self.version


class ArchivedFile(models.Model):
    """A file of the archive: the manifest of one day's part, or of all of it."""

    day = models.DateField()
    part = models.PositiveIntegerField(_("part"))
    name = models.TextField(help_text=_("In the archive's storage."))
    events = models.BigIntegerField()
    bytes = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    first_id = models.CharField(_("first id"), max_length=22, db_collation="C")
    last_id = models.CharField(_("last id"), max_length=22, db_collation="C")
    day_version = models.BigIntegerField(_("day's version"), help_text=_("Of the day when it was written."))
    written_at = models.DateTimeField(db_default=Now())
    verified_at = models.DateTimeField(null=True, help_text=_("When it was last read back and found equal."))

    class Meta:
        verbose_name = _("archived file")
        verbose_name_plural = _("archived files")
        constraints = [models.UniqueConstraint(fields=["day", "part"], name="archivedfile_day_part")]

    def __str__(self) -> str:
        return self.name
