"""What the consumer stores: events, hourly statistics, dead letters, and how it is doing."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.db.models.functions import Now


class Event(models.Model):
    """A request that was counted. Partitioned by day on the id (migration 0001), never updated.

    Text columns have collation "C": ids then order as their timestamps do, and a prefix search uses the
    index. `gateway.events` says what each field means and what its bounds are.
    """

    idempotent_id = models.CharField(max_length=22, primary_key=True, db_collation="C")
    timestamp = models.BigIntegerField(help_text="Milliseconds since the epoch.")
    path = models.TextField(db_collation="C")
    route = models.TextField(db_collation="C")
    method = models.TextField()
    status = models.SmallIntegerField()
    response_time = models.FloatField(help_text="Milliseconds.")
    client_ip_hash = models.CharField(max_length=16)
    request_id = models.TextField()
    host = models.TextField()
    user_agent = models.TextField()
    response_bytes = models.BigIntegerField()
    country = models.CharField(max_length=2)

    class Meta:
        ordering = ["-idempotent_id"]

    def __str__(self) -> str:
        return self.idempotent_id

    @property
    def occurred_at(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp / 1000, UTC)


class PathStatsHourly(models.Model):
    """A route's requests in one hour (UTC). Written only in the transaction that inserts the events."""

    route = models.TextField(db_collation="C")
    hour = models.DateTimeField()
    requests = models.BigIntegerField()
    errors = models.BigIntegerField(help_text="Requests with a status of 400 or more.")
    status_1xx = models.BigIntegerField(default=0)
    status_2xx = models.BigIntegerField(default=0)
    status_3xx = models.BigIntegerField(default=0)
    status_4xx = models.BigIntegerField(default=0)
    status_5xx = models.BigIntegerField(default=0)
    response_time_sum = models.FloatField(help_text="Milliseconds.")
    response_time_min = models.FloatField(help_text="Milliseconds.")
    response_time_max = models.FloatField(help_text="Milliseconds.")
    response_bytes = models.BigIntegerField()

    class Meta:
        verbose_name = "hourly statistics"
        verbose_name_plural = "hourly statistics"
        constraints = [
            models.UniqueConstraint(fields=["route", "hour"], name="pathstatshourly_route_hour"),
        ]
        indexes = [
            # the admin's list and every report over a range: newest hour first.
            models.Index(fields=["-hour", "-requests"], name="pathstatshourly_hour"),
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.hour:%Y-%m-%d %H}:00"

    @property
    def response_time_mean(self) -> float:
        """Milliseconds."""
        return self.response_time_sum / self.requests if self.requests else 0.0


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
        indexes = [
            # the admin's list and the redrive by reason: what is dead, newest first.
            models.Index(fields=["state", "reason", "-id"], name="deadletter_state"),
            models.Index(fields=["event_id"], name="deadletter_event"),
        ]

    def __str__(self) -> str:
        return f"dead letter {self.pk} ({self.reason})"


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

    class Meta:
        verbose_name = "consumer"

    def __str__(self) -> str:
        return self.name
