"""The queue's table, which only `gateway.queue` touches; modes, timings, drills, failed log-ins."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now


class QueuedBatch(models.Model):
    """Events on their way to the consumer, as one JSON array that a person can read in SQL."""

    # json, not jsonb: the text stays as the encoder wrote it, and costs no parsing on the way in.
    payload = models.TextField(help_text="JSON array of events, as their sender encoded them.")
    events = models.PositiveIntegerField(help_text="Events in the batch.")
    deliveries = models.PositiveIntegerField(
        db_default=0, default=0, help_text="Times a consumer took the batch; counted before the work."
    )
    max_deliveries = models.PositiveIntegerField(
        help_text="Deliveries before the batch is halved; a half gets one more."
    )
    visible_at = models.DateTimeField(db_default=Now(), help_text="Not delivered before this time.")
    created_at = models.DateTimeField(
        db_default=Now(), help_text="When its events entered the queue; a half keeps its whole's."
    )
    origin = models.BigIntegerField(null=True, help_text="The batch this one is a part of.")
    claim = models.UUIDField(null=True, help_text="The delivery under way or the last one.")
    first_failed_at = models.DateTimeField(null=True)
    last_error = models.TextField(default="", db_default="", blank=True)

    class Meta:
        verbose_name = "queued batch"
        verbose_name_plural = "queued batches"
        indexes = [
            # claim: what is due, oldest first.
            models.Index(fields=["visible_at", "id"], name="queuedbatch_due"),
        ]

    def __str__(self) -> str:
        return f"batch {self.pk} ({self.events} {'event' if self.events == 1 else 'events'})"


class ModeChange(models.Model):
    """Who counts requests from some moment on; the latest row is in force. Rows are never changed."""

    class Mode(models.TextChoices):
        LEGACY = "legacy", "legacy: the collector only"
        DUAL = "dual", "dual: queue and collector"
        SAMPLE = "sample", "sample: the queue, and the collector for a share"
        QUEUE = "queue", "queue: the collector only where the queue refuses"

    mode = models.CharField(max_length=10, choices=Mode)
    sample_rate = models.FloatField(
        default=0.01,
        validators=[MinValueValidator(1e-6), MaxValueValidator(1)],
        help_text="Share of the events that the collector gets, too, in mode sample; 0.01 is 1 %.",
    )
    changed_at = models.DateTimeField(db_default=Now())
    changed_by = models.CharField(
        max_length=150, blank=True, help_text="Empty: nobody did, it is what STATS_MODE said."
    )
    note = models.TextField(blank=True)

    class Meta:
        verbose_name = "change of mode"
        verbose_name_plural = "changes of mode"
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
        return f"{self.mode}{share} from {self.changed_at:%Y-%m-%d %H:%M:%S}"


class Timing(models.Model):
    """How many things of one kind took about so long in an hour (`gateway.timings`)."""

    hour = models.DateTimeField()
    name = models.CharField(max_length=20)
    size = models.SmallIntegerField(help_text="Quarters of a doubling above a microsecond.")
    count = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hour", "name", "size"], name="timing_hour_name_size"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.hour:%Y-%m-%d %H}:00"


class FallbackDrill(models.Model):
    """A request to one process to have its queue refuse for some seconds, and what came of it."""

    requested_at = models.DateTimeField(db_default=Now())
    requested_by = models.CharField(max_length=150)
    seconds = models.FloatField(help_text="For which the queue is to refuse.")
    taken_at = models.DateTimeField(null=True, help_text="When a process began it.")
    taken_by = models.CharField(max_length=200, blank=True, help_text="Host and process.")
    ended_at = models.DateTimeField(null=True, help_text="When the process let its queue be again.")
    fallen_back = models.PositiveIntegerField(default=0, help_text="Events the collector took meanwhile.")
    verified_at = models.DateTimeField(null=True, help_text="When all of them were found in the queue path.")

    class Meta:
        verbose_name = "fallback drill"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"drill {self.pk} of {self.requested_at:%Y-%m-%d %H:%M:%S}"


class LoginFailures(models.Model):
    """Tries to log in that failed of late (`gateway.login_throttle`). Holds no name and no address."""

    key = models.CharField(max_length=48, primary_key=True, help_text="Whose they are, hashed under a key.")
    failures = models.PositiveIntegerField()
    last_failed_at = models.DateTimeField(db_default=Now())
    closed_until = models.DateTimeField(db_default=Now(), help_text="No try is looked at before.")

    class Meta:
        verbose_name = "failed log-ins"
        verbose_name_plural = "failed log-ins"
        # No page shows them, so nobody needs to be permitted anything.
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.key}: {self.failures}"
