"""The queue's table. Only `gateway.queue` touches it."""

from __future__ import annotations

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
