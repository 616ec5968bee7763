"""Who reads from where, and what came of comparing both."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

PERCENT = (MinValueValidator(0), MaxValueValidator(100))
REPORTS = [
    ("overview", _("overview")),
    ("timeseries", _("timeseries")),
    ("routes", _("routes")),
    ("route", _("one route")),
]


class ReadChange(models.Model):
    """Which path answers readers from some moment on; the latest row is in force. Rows are never changed."""

    percent = models.FloatField(
        _("percent from the queue path"),
        validators=PERCENT,
        help_text=_(
            "Readers that the queue path answers, in percent; the legacy collector answers the others."
        ),
    )
    queue_readers = models.TextField(
        _("always from the queue path"),
        blank=True,
        help_text=_("Whatever the percentage: user:NAME or token:NAME, one a line or with commas between."),
    )
    legacy_readers = models.TextField(_("always from the collector"), blank=True, help_text=_("Likewise."))
    compared_percent = models.FloatField(
        _("percent compared"),
        default=0,
        validators=PERCENT,
        help_text=_("Answers, in percent, that are compared with the other path's, in the background."),
    )
    changed_at = models.DateTimeField(db_default=Now())
    changed_by = models.CharField(max_length=150)
    note = models.TextField(_("note"), blank=True)

    class Meta:
        verbose_name = _("change of the read path")
        verbose_name_plural = _("changes of the read path")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(percent__gte=0, percent__lte=100), name="readchange_percent"
            ),
            models.CheckConstraint(
                condition=models.Q(compared_percent__gte=0, compared_percent__lte=100),
                name="readchange_compared_percent",
            ),
        ]

    def __str__(self) -> str:
        return gettext("%(percent)s %% from the queue path, from %(time)s") % {
            "percent": f"{self.percent:g}",
            "time": f"{self.changed_at:%Y-%m-%d %H:%M:%S}",
        }


class ReadComparison(models.Model):
    """One answer of a path beside the other's, over the hours in which both had to count the same."""

    made_at = models.DateTimeField(db_default=Now())
    report = models.CharField(_("report"), max_length=20, choices=REPORTS)
    since = models.DateTimeField()
    until = models.DateTimeField()
    served = models.CharField(max_length=10, help_text=_("The path that answered the reader."))
    queue_requests = models.BigIntegerField()
    collector_requests = models.BigIntegerField()
    difference = models.FloatField(help_text=_("Share of the requests that are on one side only, at least."))
    differing = models.JSONField(
        help_text=_("What differs most: name, requests and errors of the queue path and of the collector.")
    )

    class Meta:
        verbose_name = _("comparison of answers")
        verbose_name_plural = _("comparisons of answers")
        ordering = ["-id"]
        indexes = [
            # The admin's list of what differs, newest first.
            models.Index(
                fields=["-id"], condition=models.Q(difference__gt=0), name="readcomparison_differing"
            ),
            # retention
            models.Index(fields=["made_at"], name="readcomparison_made_at"),
        ]

    def __str__(self) -> str:
        return gettext("%(report)s of %(since)s to %(until)s") % {
            "report": self.get_report_display(),
            "since": f"{self.since:%Y-%m-%d %H:%M}",
            "until": f"{self.until:%Y-%m-%d %H:%M}",
        }
