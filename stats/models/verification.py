"""What verifications found."""

from __future__ import annotations

from django.db import models


class VerificationReport(models.Model):
    """One comparison of the two paths, as `stats.verification` made it. Never changed."""

    class Verdict(models.TextChoices):
        HOLDS = "holds", "holds"
        FAILS = "does not hold", "does not hold"
        UNKNOWN = "not enough data", "not enough data"

    since = models.DateTimeField()
    until = models.DateTimeField()
    made_at = models.DateTimeField()
    verdict = models.CharField(max_length=20, choices=Verdict)
    error = models.FloatField(null=True, help_text="Share of the requests that one side lacks.")
    compared = models.BigIntegerField(help_text="Requests that were compared.")
    details = models.JSONField(help_text="The whole report.")

    class Meta:
        verbose_name = "verification"
        ordering = ["-id"]
        indexes = [
            # readiness: the days that were verified.
            models.Index(fields=["-until"], name="verificationreport_until"),
        ]

    def __str__(self) -> str:
        return f"{self.since:%Y-%m-%d %H:%M} to {self.until:%Y-%m-%d %H:%M}: {self.verdict}"
