"""The queue's table, which only `gateway.queue` touches; modes, timings, drills, failed log-ins."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _


class QueuedBatch(models.Model):
    """Events on their way to the consumer, as one JSON array that a person can read in SQL."""

    # json, not jsonb: the text stays as the encoder wrote it, and costs no parsing on the way in.
    payload = models.TextField(help_text=_("JSON array of events, as their sender encoded them."))
    events = models.PositiveIntegerField(help_text=_("Events in the batch."))
    deliveries = models.PositiveIntegerField(
        db_default=0, default=0, help_text=_("Times a consumer took the batch; counted before the work.")
    )
    max_deliveries = models.PositiveIntegerField(
        help_text=_("Deliveries before the batch is halved; a half gets one more.")
    )
    visible_at = models.DateTimeField(db_default=Now(), help_text=_("Not delivered before this time."))
    created_at = models.DateTimeField(
        db_default=Now(), help_text=_("When its events entered the queue; a half keeps its whole's.")
    )
    origin = models.BigIntegerField(null=True, help_text=_("The batch this one is a part of."))
    claim = models.UUIDField(null=True, help_text=_("The delivery under way, or one that nobody ended."))
    first_failed_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="", db_default="", blank=True)

    class Meta:
        verbose_name = _("queued batch")
        verbose_name_plural = _("queued batches")
        permissions = [
            ("deliver_now", _("Can have queued batches delivered at once")),
            ("move_batch", _("Can move queued batches to the dead letters")),
            ("purge_queue", _("Can purge the queue")),
        ]
        indexes = [
            # claim: what is due, oldest first.
            models.Index(fields=["visible_at", "id"], name="queuedbatch_due"),
        ]

    def __str__(self) -> str:
        told = ngettext(
            "batch %(number)s (%(events)s event)", "batch %(number)s (%(events)s events)", self.events
        )
        return told % {"number": self.pk, "events": self.events}


class ModeChange(models.Model):
    """Who counts requests from some moment on; the latest row is in force. Rows are never changed."""

    class Mode(models.TextChoices):
        LEGACY = "legacy", _("legacy: the collector only")
        DUAL = "dual", _("dual: queue and collector")
        SAMPLE = "sample", _("sample: the queue, and the collector for a share")
        QUEUE = "queue", _("queue: the collector only where the queue refuses")

    mode = models.CharField(_("mode"), max_length=10, choices=Mode)
    sample_rate = models.FloatField(
        _("sample rate"),
        default=0.01,
        validators=[MinValueValidator(1e-6), MaxValueValidator(1)],
        help_text=_("Share of the events that the collector gets, too, in mode sample; 0.01 is 1 %."),
    )
    changed_at = models.DateTimeField(db_default=Now())
    changed_by = models.CharField(
        max_length=150, blank=True, help_text=_("Empty: nobody did, it is what STATS_MODE said.")
    )
    note = models.TextField(_("note"), blank=True)

    class Meta:
        verbose_name = _("change of mode")
        verbose_name_plural = _("changes of mode")
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(mode__in=["legacy", "dual", "sample", "queue"]), name="modechange_mode"
            ),
            models.CheckConstraint(
                condition=models.Q(sample_rate__gt=0, sample_rate__lte=1), name="modechange_sample_rate"
            ),
        ]

    def __str__(self) -> str:
        share = f" ({self.sample_rate:.2%})" if self.mode == self.Mode.SAMPLE else ""
        told = gettext("%(mode)s from %(time)s")
        return told % {"mode": f"{self.mode}{share}", "time": f"{self.changed_at:%Y-%m-%d %H:%M:%S}"}


class Timing(models.Model):
    """How many things of one kind took about so long in an hour (`gateway.timings`)."""

    hour = models.DateTimeField()
    name = models.CharField(max_length=20)
    size = models.SmallIntegerField(help_text=_("Quarters of a doubling above a microsecond."))
    count = models.BigIntegerField()

    class Meta:
        verbose_name = _("timing")
        verbose_name_plural = _("timings")
        constraints = [
            models.UniqueConstraint(fields=["hour", "name", "size"], name="timing_hour_name_size"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.hour:%Y-%m-%d %H}:00"


class FallbackDrill(models.Model):
    """A request to one process to have its queue refuse for some seconds, and what came of it."""

    requested_at = models.DateTimeField(db_default=Now())
    requested_by = models.CharField(max_length=150)
    seconds = models.FloatField(help_text=_("For which the queue is to refuse."))
    taken_at = models.DateTimeField(null=True, help_text=_("When a process began it."))
    taken_by = models.CharField(max_length=200, blank=True, help_text=_("Host and process."))
    ended_at = models.DateTimeField(null=True, help_text=_("When the process let its queue be again."))
    fallen_back = models.PositiveIntegerField(default=0, help_text=_("Events the collector took meanwhile."))
    verified_at = models.DateTimeField(
        null=True, help_text=_("When all of them were found in the queue path.")
    )

    class Meta:
        verbose_name = _("fallback drill")
        verbose_name_plural = _("fallback drills")
        ordering = ["-id"]

    def __str__(self) -> str:
        told = gettext("drill %(number)s of %(time)s")
        return told % {"number": self.pk, "time": f"{self.requested_at:%Y-%m-%d %H:%M:%S}"}


class LoginFailures(models.Model):
    """Tries to log in that failed of late (`gateway.login_throttle`). Holds no name and no address."""

    key = models.CharField(
        max_length=48, primary_key=True, help_text=_("Whose they are, hashed under a key.")
    )
    failures = models.PositiveIntegerField()
    last_failed_at = models.DateTimeField(db_default=Now())
    closed_until = models.DateTimeField(db_default=Now(), help_text=_("No try is looked at before."))

    class Meta:
        verbose_name = _("failed log-ins")
        verbose_name_plural = _("failed log-ins")
        # No page shows them, so nobody needs to be permitted anything.
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.key}: {self.failures}"
