"""What verifications found."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class VerificationReport(models.Model):
    """One comparison of the two paths, as `stats.verification` made it. Never changed."""

    class Verdict(models.TextChoices):
        HOLDS = "holds", _("holds")
        FAILS = "does not hold", _("does not hold")
        UNKNOWN = "not enough data", _("not enough data")

    since = models.DateTimeField()
    until = models.DateTimeField()
    made_at = models.DateTimeField()
    verdict = models.CharField(max_length=20, choices=Verdict)
    error = models.FloatField(null=True, help_text=_("Share of the requests that one side lacks."))
    compared = models.BigIntegerField(help_text=_("Requests that were compared."))
    details = models.JSONField(help_text=_("The whole report."))

    class Meta:
        verbose_name = _("verification")
        verbose_name_plural = _("verifications")
        ordering = ["-id"]
        indexes = [
            # readiness: the days that were verified.
            models.Index(fields=["-until"], name="verificationreport_until"),
        ]

    def __str__(self) -> str:
        return gettext("%(since)s to %(until)s: %(verdict)s") % {
            "since": f"{self.since:%Y-%m-%d %H:%M}",
            "until": f"{self.until:%Y-%m-%d %H:%M}",
            "verdict": self.get_verdict_display(),
        }
