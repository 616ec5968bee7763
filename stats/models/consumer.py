"""The consumer's heartbeat."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy


class ConsumerHeartbeat(models.Model):
    """One row: when the consumer last showed a sign of life, and what it has done so far."""

    class Breaker(models.TextChoices):
        CLOSED = "closed", pgettext_lazy("breaker", "closed")
        OPEN = "open", pgettext_lazy("breaker", "open")

    name = models.TextField(_("name"), primary_key=True)
    beat_at = models.DateTimeField(db_default=Now())
    batches = models.BigIntegerField(_("batches"), default=0)
    events = models.BigIntegerField(default=0, help_text=_("Inserted."))
    duplicates = models.BigIntegerField(default=0)
    dead = models.BigIntegerField(default=0)
    seconds = models.FloatField(db_default=0, help_text=_("Spent in transactions that counted."))
    per_second = models.FloatField(
        db_default=0,
        help_text=_("Events that left the queue a second, in the last whole span of some seconds."),
    )
    span_at = models.DateTimeField(db_default=Now(), help_text=_("When the present span began."))
    span_events = models.BigIntegerField(db_default=0, help_text=_("Left the queue in it."))
    started_at = models.DateTimeField(null=True, help_text=_("When the worker process began."))
    breaker = models.CharField(max_length=8, choices=Breaker, default=Breaker.CLOSED)
    breaker_error = models.TextField(default="", blank=True)
    probe_at = models.DateTimeField(null=True, help_text=_("When the open breaker tries one batch."))
    probe_pause = models.FloatField(default=0, help_text=_("Seconds between the last two probes."))

    paused_at = models.DateTimeField(null=True, help_text=_("Since then a person has it rest."))
    paused_by = models.TextField(db_default="", blank=True)
    paused_note = models.TextField(db_default="", blank=True, help_text=_("Why."))

    class Meta:
        verbose_name = _("consumer")
        verbose_name_plural = _("consumers")
        permissions = [("pause_consumer", _("Can pause and resume the consumer"))]

    def __str__(self) -> str:
        return self.name
