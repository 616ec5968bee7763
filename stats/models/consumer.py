"""The consumer's heartbeat."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now


class ConsumerHeartbeat(models.Model):
    """One row: when the consumer last showed a sign of life, and what it has done so far."""

    class Breaker(models.TextChoices):
        CLOSED = "closed", "closed"
        OPEN = "open", "open"

    name = models.TextField(primary_key=True)
    beat_at = models.DateTimeField(db_default=Now())
    batches = models.BigIntegerField(default=0)
    events = models.BigIntegerField(default=0, help_text="Inserted.")
    duplicates = models.BigIntegerField(default=0)
    dead = models.BigIntegerField(default=0)
    seconds = models.FloatField(db_default=0, help_text="Spent in transactions that counted.")
    started_at = models.DateTimeField(null=True, help_text="When the worker process began.")
    breaker = models.CharField(max_length=8, choices=Breaker, default=Breaker.CLOSED)
    breaker_error = models.TextField(default="", blank=True)
    probe_at = models.DateTimeField(null=True, help_text="When the open breaker tries one batch.")
    probe_pause = models.FloatField(default=0, help_text="Seconds between the last two probes.")

    paused_at = models.DateTimeField(null=True, help_text="Since then a person has it rest.")
    paused_by = models.TextField(db_default="", blank=True)
    paused_note = models.TextField(db_default="", blank=True, help_text="Why.")

    class Meta:
        verbose_name = "consumer"
        permissions = [("pause_consumer", "Can pause and resume the consumer")]

    def __str__(self) -> str:
        return self.name
