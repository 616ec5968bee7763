from __future__ import annotations

from django.db import models


class Event(models.Model):
    """Tallygate's event table, as a project of its own would declare it."""

    idempotent_id = models.CharField(max_length=22, primary_key=True)
    timestamp = models.BigIntegerField()
    path = models.TextField()
    route = models.TextField()
    method = models.TextField()
    status = models.SmallIntegerField()
    response_time = models.FloatField()
    client_ip_hash = models.CharField(max_length=16)
    request_id = models.TextField()
    host = models.TextField()
    user_agent = models.TextField()
    response_bytes = models.BigIntegerField()
    country = models.CharField(max_length=2)

    class Meta:
        managed = False
        db_table = "stats_event"

    def __str__(self) -> str:
        return self.idempotent_id


class HourlyCount(models.Model):
    """A route's requests in one hour: counts only."""

    hour = models.BigIntegerField(help_text="Its first millisecond.")
    route = models.TextField()
    requests = models.BigIntegerField(default=0)
    errors = models.BigIntegerField(default=0)
    response_time_sum = models.FloatField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["hour", "route"], name="plain_hour_route")]

    def __str__(self) -> str:
        return f"{self.route} {self.hour}"
