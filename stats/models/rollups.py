"""Rollups: what is left of the requests when their rows are gone.

Counts are exact. `response_times` and `clients` are the summaries of `stats.estimators`, from which
quantiles and distinct clients are answered, for any range, by merging. `p95` and `distinct_clients` are
those of this row alone: for ordering, never to be added up.

Hourly rows are written only in the transaction that inserts the events; daily ones are merged from them
(`stats.daily`), and hold for a day as long as `TrafficDay.is_rolled_up`. Hours and days are UTC.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Rollup(models.Model):
    """Figures of some requests."""

    requests = models.BigIntegerField()
    errors = models.BigIntegerField(help_text=_("Requests with a status of 400 or more."))
    status_1xx = models.BigIntegerField(_("status 1xx"), default=0)
    status_2xx = models.BigIntegerField(_("status 2xx"), default=0)
    status_3xx = models.BigIntegerField(_("status 3xx"), default=0)
    status_4xx = models.BigIntegerField(_("status 4xx"), default=0)
    status_5xx = models.BigIntegerField(_("status 5xx"), default=0)
    response_time_sum = models.FloatField(help_text=_("Milliseconds."))
    response_time_min = models.FloatField(help_text=_("Milliseconds."))
    response_time_max = models.FloatField(help_text=_("Milliseconds."))
    response_bytes = models.BigIntegerField()
    response_times = models.BinaryField(db_default=b"", help_text=_("Summary of response times."))
    clients = models.BinaryField(db_default=b"", help_text=_("Summary of client hashes."))
    p95 = models.FloatField(db_default=0, help_text=_("Milliseconds, estimated."))
    distinct_clients = models.FloatField(db_default=0, help_text=_("Estimated."))

    class Meta:
        abstract = True

    @property
    def response_time_mean(self) -> float:
        """Milliseconds."""
        return self.response_time_sum / self.requests if self.requests else 0.0


class PathStatsHourly(Rollup):
    """A route's requests in one hour."""

    route = models.TextField(db_collation="C")
    hour = models.DateTimeField()

    class Meta:
        verbose_name = _("hourly statistics")
        verbose_name_plural = _("hourly statistics")
        permissions = [("export_pathstatshourly", _("Can download hourly statistics"))]
        constraints = [
            models.UniqueConstraint(fields=["route", "hour"], name="pathstatshourly_route_hour"),
        ]
        indexes = [
            # the admin's list and every report over a range: newest hour first. Without the requests, which
            # nearly every transaction changes: migration 0006 says why.
            models.Index(fields=["-hour"], include=["route"], name="pathstatshourly_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.hour:%Y-%m-%d %H}:00"


class PathStatsDaily(Rollup):
    """A route's requests in one day."""

    route = models.TextField(db_collation="C")
    day = models.DateField()

    class Meta:
        verbose_name = _("daily statistics")
        verbose_name_plural = _("daily statistics")
        permissions = [("export_pathstatsdaily", _("Can download daily statistics"))]
        constraints = [
            models.UniqueConstraint(fields=["route", "day"], name="pathstatsdaily_route_day"),
        ]
        indexes = [models.Index(fields=["-day", "-requests"], include=["route"], name="pathstatsdaily_day")]

    def __str__(self) -> str:
        return f"{self.route} {self.day:%Y-%m-%d}"


class TotalsHourly(Rollup):
    """All requests of one hour."""

    hour = models.DateTimeField(primary_key=True)

    class Meta:
        verbose_name = _("hourly total")
        verbose_name_plural = _("hourly totals")

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}:00"


class TotalsDaily(Rollup):
    """All requests of one day."""

    day = models.DateField(primary_key=True)

    class Meta:
        verbose_name = _("daily total")
        verbose_name_plural = _("daily totals")

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d}"


class TopValues(models.Model):
    """The values that came most often, of one kind: a frequent-items summary of bounded size."""

    class Kind(models.TextChoices):
        CLIENT = "client", "client"
        USER_AGENT = "user_agent", "user agent"
        COUNTRY = "country", "country"
        METHOD = "method", "method"
        STATUS = "status", "status"

    kind = models.CharField(max_length=16, choices=Kind)
    requests = models.BigIntegerField()
    summary = models.BinaryField()

    class Meta:
        abstract = True


class TopValuesHourly(TopValues):
    """Of one hour."""

    hour = models.DateTimeField()

    class Meta:
        verbose_name = _("hourly frequent values")
        verbose_name_plural = _("hourly frequent values")
        constraints = [
            models.UniqueConstraint(fields=["hour", "kind"], name="topvalueshourly_hour_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.hour:%Y-%m-%d %H}:00"


class TopValuesDaily(TopValues):
    """Of one day."""

    day = models.DateField()

    class Meta:
        verbose_name = _("daily frequent values")
        verbose_name_plural = _("daily frequent values")
        constraints = [
            models.UniqueConstraint(fields=["day", "kind"], name="topvaluesdaily_day_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.day:%Y-%m-%d}"
