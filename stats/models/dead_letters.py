"""Dead letters: what could not be counted."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class DeadLetter(models.Model):
    """Something that could not be counted, kept as it was received until a person decides."""

    class Reason(models.TextChoices):
        UNDECODABLE = "undecodable", "no readable JSON"
        SCHEMA = "schema", "breaks the event schema"
        TOO_OLD = "too_old", "before 2001-09-09"
        FUTURE = "future", "ahead of the database's clock for an hour"
        COLLISION = "collision", "same id as a different request"
        EXHAUSTED = "exhausted", "failed on every delivery"
        LATE = "late", "its day has been dropped"

    class State(models.TextChoices):
        DEAD = "dead", "dead"
        REDRIVEN = "redriven", "redriven"
        DISCARDED = "discarded", "discarded"

    event_id = models.CharField(max_length=22, null=True, db_collation="C", help_text="If known.")  # noqa: DJ001
    payload = models.TextField(help_text="As received.")
    reason = models.CharField(max_length=16, choices=Reason)
    error = models.TextField()
    traceback = models.TextField(default="", blank=True)
    deliveries = models.PositiveIntegerField(help_text="Times a consumer took it.")
    first_failed_at = models.DateTimeField(db_default=Now())
    last_failed_at = models.DateTimeField(db_default=Now())
    state = models.CharField(max_length=16, choices=State, default=State.DEAD)
    settled_at = models.DateTimeField(null=True, help_text="When it was redriven or discarded.")
    settled_by = models.TextField(default="", blank=True)

    class Meta:
        verbose_name = "dead letter"
        permissions = [("export_deadletter", "Can download dead letters")]
        indexes = [
            # the admin's list and the redrive by reason: what is dead, newest first.
            models.Index(fields=["state", "reason", "-id"], name="deadletter_state"),
            models.Index(fields=["event_id"], name="deadletter_event"),
        ]

    def __str__(self) -> str:
        return f"dead letter {self.pk} ({self.reason})"
