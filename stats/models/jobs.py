"""Runs of jobs: what was started, by whom, and what came of it."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class JobRun(models.Model):
    """One run of a job of `stats.jobs`, which writes it: the last ones of each job are kept."""

    job = models.CharField(max_length=64, help_text=_("The command."))
    arguments = models.JSONField(default=list)
    asked_by = models.TextField(default="", blank=True, help_text=_("Empty: the clock did."))
    started_at = models.DateTimeField(db_default=Now())
    host = models.TextField(default="", blank=True)
    pid = models.IntegerField(null=True)
    ended_at = models.DateTimeField(null=True)
    exit_code = models.SmallIntegerField(null=True, help_text=_("None: it ended without a word."))
    output = models.TextField(default="", blank=True, help_text=_("What it said, the end of it."))

    class Meta:
        verbose_name = _("run of a job")
        verbose_name_plural = _("runs of jobs")
        ordering = ["-id"]
        default_permissions = ("view",)
        permissions = [("run_job", _("Can run a job now"))]
        indexes = [
            # the last run of each job, and those that are not kept.
            models.Index(fields=["job", "-id"], name="jobrun_job"),
        ]

    def __str__(self) -> str:
        return gettext("run %(number)s of %(job)s") % {"number": self.pk, "job": self.job}
