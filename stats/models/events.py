"""Events: the requests that were counted."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import models
from django.utils.translation import gettext_lazy as _


class Event(models.Model):
    """A request that was counted. Partitioned by day on the id (migration 0001), never updated.

    Text columns have collation "C": ids then order as their timestamps do, and a prefix search uses the
    index. `gateway.events` says what each field means and what its bounds are.
    """

    idempotent_id = models.CharField(max_length=22, primary_key=True, db_collation="C")
    timestamp = models.BigIntegerField(help_text=_("Milliseconds since the epoch."))
    path = models.TextField(db_collation="C")
    route = models.TextField(db_collation="C")
    method = models.TextField()
    status = models.SmallIntegerField()
    response_time = models.FloatField(help_text=_("Milliseconds."))
    client_ip_hash = models.CharField(max_length=16)
    request_id = models.TextField()
    host = models.TextField()
    user_agent = models.TextField()
    response_bytes = models.BigIntegerField()
    country = models.CharField(max_length=2)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-idempotent_id"]
        permissions = [("export_event", _("Can download events"))]

    def __str__(self) -> str:
        return self.idempotent_id

    @property
    def occurred_at(self) -> datetime:
        return datetime.fromtimestamp(self.timestamp / 1000, UTC)
