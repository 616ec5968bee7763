"""When the worker was started, and why."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from gateway.starts import Cause, Start

CAUSES = [
    (Cause.STARTED.value, _("started")),
    (Cause.RECYCLED.value, _("recycled")),
    (Cause.ENDED.value, _("unexpected end")),
    (Cause.RESTARTED.value, _("restarted by the supervisor")),
]


class WorkerStart(models.Model):
    """One start of a worker process. Written by it, never changed (`stats.worker_starts`)."""

    started_at = models.DateTimeField(db_default=Now())
    host = models.TextField()
    pid = models.IntegerField(_("process"), help_text=_("The new process."))
    cause = models.CharField(max_length=32, choices=CAUSES)
    reason = models.TextField(blank=True, help_text=_("What was wrong with the one before."))

    class Meta:
        verbose_name = _("worker start")
        verbose_name_plural = _("worker starts")
        ordering = ["-id"]
        indexes = [
            # phase_report: those of its period; retention: the old ones.
            models.Index(fields=["started_at"], name="workerstart_started_at"),
        ]

    def __str__(self) -> str:
        return f"{self.started_at:%Y-%m-%d %H:%M:%S}: {self.get_cause_display()}"

    @property
    def why(self) -> str:
        """Cause and reason, in one text."""
        return str(Start(Cause(self.cause), self.reason))
